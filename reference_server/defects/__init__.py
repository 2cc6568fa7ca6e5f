"""Narrow deliberate misbehaviours, one module a profile: they show that a check can fail."""

from .registry import (
    Behaviour,
    Context,
    Defect,
    EngineDefect,
    Running,
    batching_defect,
    engine_defect,
    grpc_defect,
    grpc_route_defect,
    http_defect,
    known_defects,
    lifecycle_defect,
    probe_defect,
    rest_defect,
)
from .switch import DefectSwitch, UnknownDefect

__all__ = [
    "Behaviour",
    "Context",
    "Defect",
    "DefectSwitch",
    "EngineDefect",
    "Running",
    "UnknownDefect",
    "batching_defect",
    "engine_defect",
    "grpc_defect",
    "grpc_route_defect",
    "http_defect",
    "known_defects",
    "lifecycle_defect",
    "probe_defect",
    "rest_defect",
]
