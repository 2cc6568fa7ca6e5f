"""What spreads requests over versions: one interface, whoever does it."""

from .nginx import NginxRouter
from .reference import ReferenceRouter
from .router import Router, RouterError, shares

__all__ = ["NginxRouter", "ReferenceRouter", "Router", "RouterError", "shares"]
