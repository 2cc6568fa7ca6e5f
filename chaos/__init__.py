"""Experiments: faults and rollouts under load, judged by what the clients saw."""
