"""Requests that schemathesis makes of the OpenAPI file, and its judgement of the answers."""

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from servespec.target.target import Target

from .served import MODELS, SECONDS

__all__ = ["cases", "shooter"]


def cases(file: Path) -> st.SearchStrategy[Any]:
    """Requests to any route of the file: as it allows them, and as it does not."""
    import schemathesis
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_dict(_with_our_models(json.loads(file.read_text())))
    operations = [found.ok() for found in schema.get_all_operations()]
    infer = [one for one in operations if one.method == "post"]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return st.one_of(
        *(one.as_strategy(generation_mode=modes[0]) for one in operations),
        *(one.as_strategy(generation_mode=mode) for one in infer * 5 for mode in modes),
    )


def _with_our_models(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document, naming the models that there are: chance would never find one."""
    named = deepcopy(dict(document))
    parameters = named["components"]["parameters"]
    parameters["model"]["schema"] = {"enum": [*MODELS, "none"]}
    parameters["version"]["schema"] = {"enum": ["1", "2", "x"]}
    named["components"]["schemas"]["Input"]["properties"]["name"] = {"enum": ["x", "a", "y"]}
    return named


def shooter(target: Target) -> Callable[[Any], str]:
    """What sends a case, has schemathesis judge the answer, and returns the status."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    ]

    def shoot(case: Any) -> str:
        response = case.call(base_url=target.rest.origin, timeout=SECONDS)
        if response.status_code == 504 and "Request-Timeout" in response.request.headers:
            return "504"  # which is what it asked for
        try:
            case.validate_response(response, checks=checks)
        except BaseExceptionGroup as group:
            raise AssertionError("; ".join(_lines(group))) from None
        return str(response.status_code)

    return shoot


def _lines(group: BaseExceptionGroup[Any]) -> Iterator[str]:
    for error in group.exceptions:
        yield " ".join(str(error).split())[:400]
