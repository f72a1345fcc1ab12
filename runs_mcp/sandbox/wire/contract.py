"""The contracts of the sandbox, selected by the `x-api-version` header."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from runs_mcp.sandbox.wire.refusal import bad_request, invalid

DATE = re.compile("[0-9]{8}")
# Versions of `x-api-version` are dates, so numbers compare like versions.
RESULT_PARTS_SINCE = 20250925
STRICT_SINCE = 20260803
Shape = TypeVar("Shape", bound=BaseModel)

FACET_FIELDS = MappingProxyType(
    {
        "environment": "environment",
        "interaction": "interaction",
        "modelId": "model",
        "tags": "tag",
        "status": "status",
        "finish_reason": "finish_reason",
    }
)
"""The fields that facets count: name in requests, and name in the store."""
STRICT_FACETS = MappingProxyType(
    {
        "environments": ("environment", "environment"),
        "interactions": ("interaction", "interaction"),
        "models": ("modelId", "model"),
        "statuses": ("status", "status"),
        "finish_reason": ("finish_reason", "finish_reason"),
    }
)
"""The only facets of the strict contract: name, field in requests, and field in the store."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The rules for reading requests and writing responses."""

    strict: bool
    """Unknown keys, nulls and wrong types are rejected; otherwise they are ignored."""
    parts: bool
    """A result is a list of typed parts."""

    @property
    def facets(self) -> Mapping[str, tuple[str, str]] | None:
        """The facets that exist; None if a facet may have any name."""
        return STRICT_FACETS if self.strict else None


def contract_for(version: str | None) -> Contract:
    """Return the contract of a version (`YYYYMMDD`); None and malformed versions select the reference document's."""
    number = int(version) if version and DATE.fullmatch(version) else 0
    return Contract(strict=number >= STRICT_SINCE, parts=number >= RESULT_PARTS_SINCE)


def contract_of(request: Request) -> Contract:
    """Return the contract of a request."""
    return contract_for(request.headers.get("x-api-version"))


async def read_body(request: Request, shape: type[Shape], **named: str) -> Shape:
    """Return the body of a request as `shape`, with the values `named` by its path.

    Raises:
        Refusal: the body is not a JSON object or breaks the contract.
    """
    try:
        value = json.loads(await request.body() or b"{}", parse_constant=_reject_constant)
        # Fails on half a surrogate pair, which SQLite rejects, and on 1e999, which becomes infinity.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise bad_request("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise bad_request("The body must be a JSON object.")
    return read(shape, {**value, **named}, contract_of(request))


def read_query(request: Request, shape: type[Shape]) -> Shape:
    """Return the query parameters of a request as `shape`.

    Under the strict contract a list parameter may be repeated, or hold values separated by commas. Otherwise the last
    value counts.

    Raises:
        Refusal: a parameter breaks the contract.
    """
    contract = contract_of(request)
    sent: dict[str, Any] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        field = shape.model_fields.get(name)
        if field is None or field.default_factory is not list:
            sent[name] = values[-1]
        else:
            sent[name] = [part for value in values for part in value.split(",")] if contract.strict else values[-1:]
    return read(shape, sent, contract)


def read(shape: type[Shape], value: Mapping[str, Any], contract: Contract) -> Shape:
    """Return `value` as `shape`; under the loose contract, without the parts that do not fit.

    Raises:
        Refusal: the value does not fit.
    """
    if contract.strict:
        return _validated(shape, value)
    loose = dict(value)
    while True:
        try:
            return shape.model_validate(loose)
        except ValidationError as error:
            # Each pass removes one part that does not fit, so the loop ends.
            place = error.errors()[0]["loc"]
            if error.errors()[0]["type"] == "missing" or not _remove(loose, place):
                raise invalid(_first_problem(error)) from None


def _reject_constant(constant: str) -> None:
    # `json` reads NaN and Infinity, which JSON does not have (RFC 8259, section 6).
    raise ValueError(constant)


def _validated(shape: type[Shape], value: Mapping[str, Any]) -> Shape:
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise invalid(_first_problem(error)) from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = "unknown property" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{where}: {problem}"


def _remove(value: Any, place: Sequence[str | int]) -> bool:
    """Remove the part of `value` at `place`; return whether that was possible. Its containers are copied."""
    *parents, last = place
    for step in parents:
        try:
            inner = value[step]
        except (KeyError, IndexError, TypeError):
            return False
        value[step] = dict(inner) if isinstance(inner, Mapping) else list(inner)
        value = value[step]
    try:
        del value[last]
    except (KeyError, IndexError, TypeError):
        return False
    return True
