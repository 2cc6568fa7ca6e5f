"""Narrow deliberate misbehaviours, one module a profile: they show that a check can fail."""

from .registry import (
    Behaviour,
    Context,
    Defect,
    grpc_defect,
    grpc_route_defect,
    http_defect,
    known_defects,
    rest_defect,
)
from .switch import DefectSwitch, UnknownDefect

__all__ = [
    "Behaviour",
    "Context",
    "Defect",
    "DefectSwitch",
    "UnknownDefect",
    "grpc_defect",
    "grpc_route_defect",
    "http_defect",
    "known_defects",
    "rest_defect",
]
