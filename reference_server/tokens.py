"""Who may change what the server does: whoever knows the operator's token."""

import hmac

from .errors import Unauthorized

__all__ = ["VARIABLE", "check_token"]

VARIABLE = "SERVESPEC_ADMIN_TOKEN"
"""Of the environment, as a command line can be read by all users of a machine."""


def check_token(token: str, authorization: str) -> None:
    """Let those pass who say `Bearer` and the token; takes as long for a wrong one.

    Raises:
        Unauthorized: they do not.
    """
    scheme, _, said = authorization.partition(" ")
    known = hmac.compare_digest(said.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not known:
        raise Unauthorized("expected the operator's token: Authorization: Bearer TOKEN")
