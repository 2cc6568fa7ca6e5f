"""HTTP/1.1 over sockets: generic, knows no route and no model."""

from .messages import Handler, HttpLimits, HttpRequest, HttpResponse, error_response
from .protocol import CLIENT_LEFT, Connections, HttpProtocol, Observer, ProtocolFactory
from .server import HttpServer

__all__ = [
    "CLIENT_LEFT",
    "Connections",
    "Handler",
    "HttpLimits",
    "HttpProtocol",
    "HttpRequest",
    "HttpResponse",
    "HttpServer",
    "Observer",
    "ProtocolFactory",
    "error_response",
]
