"""HTTP/1.1 over sockets: generic, knows no route and no model."""

from .messages import Handler, HttpLimits, HttpRequest, HttpResponse, error_response

__all__ = ["Handler", "HttpLimits", "HttpRequest", "HttpResponse", "error_response"]
