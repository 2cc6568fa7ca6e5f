"""Load tests whose tail can be trusted: open loop, in Locust, judged with intervals."""
