"""HTTP/1.1 over sockets: generic, knows no route and no model."""

from .messages import Handler, HttpLimits, HttpRequest, HttpResponse, error_response
from .protocol import Connections, HttpProtocol, ProtocolFactory
from .server import HttpServer

__all__ = [
    "Connections",
    "Handler",
    "HttpLimits",
    "HttpProtocol",
    "HttpRequest",
    "HttpResponse",
    "HttpServer",
    "ProtocolFactory",
    "error_response",
]
