"""What is said of which version serves a model's requests that name none."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["Routes", "Sticky", "mistake"]

_Weight = Annotated[float, Meta(ge=0, le=1e9)]
_Header = Annotated[str, Meta(pattern=r"\A[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z")]
_Parameter = Annotated[str, Meta(min_length=1, max_length=100)]
_Version = Annotated[str, Meta(pattern=r"\A[0-9]{1,20}\Z")]


class Sticky(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a request has the key that keeps it on its version: one of the two is named."""

    header: _Header | None = None
    parameter: _Parameter | None = None


class Routes(Struct, frozen=True, forbid_unknown_fields=True):
    """How a model's requests are spread over its versions.

    Attributes:
        weights: of each version, relative to one another; none at all: the latest version serves.
        sticky: None: each request is drawn for itself.
        mirror: the version that is asked as well, and never heard; None: none.
    """

    weights: Mapping[_Version, _Weight] = {}
    sticky: Sticky | None = None
    mirror: _Version | None = None


def mistake(routes: Routes) -> str | None:
    """Return in one line what its fields cannot say of themselves; None where all is well."""
    if routes.weights and not any(routes.weights.values()):
        return "weights: expected one above 0"
    sticky = routes.sticky
    if sticky is not None and (sticky.header is None) == (sticky.parameter is None):
        return "sticky: expected either header or parameter"
    if routes.mirror is not None and routes.weights.get(routes.mirror):
        return f"mirror: expected a version without a weight, which {routes.mirror!r} has"
    return None
