"""What spreads requests over versions: one interface, whoever does it."""

from .envoy import EnvoyRouter
from .nginx import NginxRouter
from .reference import ReferenceRouter
from .router import Router, RouterError, shares

__all__ = ["EnvoyRouter", "NginxRouter", "ReferenceRouter", "Router", "RouterError", "shares"]
