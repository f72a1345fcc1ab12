"""The contracts the sandbox answers by, told apart by the `x-api-version` header, and the bodies they accept."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import MISSING, AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

DATE = re.compile("[0-9]{8}")
RESULT_PARTS_SINCE = 20250925
STRICT_SINCE = 20260803
MAX_LIMIT = 1_000
MAX_OFFSET = 2**31
DEFAULT_LIMIT = 100

Body = TypeVar("Body", bound=BaseModel)
Limit = Annotated[int, Field(ge=0), AfterValidator(lambda limit: min(limit, MAX_LIMIT))]
Offset = Annotated[int, Field(ge=0), AfterValidator(lambda offset: min(offset, MAX_OFFSET))]
Status = Literal["created", "processing", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Contract:
    """How requests are read and answers written."""

    strict: bool
    """Unknown keys, nulls and wrong types are refused; else they are left out."""
    parts: bool
    """A result is a list of typed parts."""
    facets: Mapping[str, tuple[str, str]] | None
    """Facets by name: the field a request must give, and what is counted. None: any name, by field."""

    def result(self, value: Any) -> Any:
        """A run's result as this contract has it."""
        if not self.parts or value is None:
            return value
        return [{"type": "text" if isinstance(value, str) else "json", "value": value}]


FIELDS = MappingProxyType(
    {
        "environment": "environment",
        "interaction": "interaction",
        "modelId": "model",
        "tags": "tag",
        "status": "status",
        "finish_reason": "finish_reason",
    }
)
"""The fields that facets count by, as requests name them → as the store does."""
TODAYS_FACETS = MappingProxyType(
    {
        "environments": ("environment", "environment"),
        "interactions": ("interaction", "interaction"),
        "models": ("modelId", "model"),
        "statuses": ("status", "status"),
        "finish_reason": ("finish_reason", "finish_reason"),
    }
)


TODAYS_QUERY = frozenset({"exclude_tags", "is_root", "finish_reason", "created_by", "run_ids"})
"""What the reference document does not know in the `query` of search and facets."""


def contract_for(version: str | None) -> Contract:
    """The contract of a version; without one, the reference document's."""
    number = int(version) if version and DATE.fullmatch(version) else 0
    strict = number >= STRICT_SINCE
    return Contract(strict=strict, parts=number >= RESULT_PARTS_SINCE, facets=TODAYS_FACETS if strict else None)


class UnreadableBodyError(ValueError):
    """The body does not fit; `details` says where."""

    def __init__(self, details: str) -> None:
        super().__init__("Request validation failed.")
        self.details = details


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Query(_Body):
    """The `query` of search and facets."""

    name: str | MISSING = MISSING
    status: str | MISSING = MISSING
    interaction: str | MISSING = MISSING
    environment: str | MISSING = MISSING
    model: str | MISSING = MISSING
    tags: list[str] = []
    exclude_tags: list[str] = []
    query: str | MISSING = MISSING
    parent: list[str] = []
    is_root: bool | MISSING = MISSING
    object: str | MISSING = MISSING
    start: str | MISSING = MISSING
    end: str | MISSING = MISSING
    finish_reason: str | MISSING = MISSING
    created_by: str | MISSING = MISSING
    run_ids: list[str] = []


class SearchBody(_Body):
    """The body of search."""

    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    query: Query = Query()


class Facet(_Body):
    """One facet asked for."""

    name: str
    field: str


class FacetsBody(_Body):
    """The body of facets."""

    facets: list[Facet]
    query: Query = Query()


class FindBody(_Body):
    """The body of find."""

    query: dict[str, Any]
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    select: str | MISSING = MISSING


class ModelConfig(_Body):
    """The `config` of create, as today's contract has it."""

    environment: str | MISSING = MISSING
    model: str | MISSING = MISSING
    do_validate: bool | MISSING = MISSING
    run_data: str | MISSING = MISSING
    configMode: str | MISSING = MISSING  # noqa: N815 - the platform's own name
    model_options: dict[str, Any] | MISSING = MISSING
    http_timeout: float | MISSING = MISSING


class LooseModelConfig(ModelConfig):
    """The `config` of create, as the reference document has it."""

    temperature: float | MISSING = MISSING
    max_tokens: int | MISSING = MISSING


class CreateBody(_Body):
    """The body of create."""

    interaction: Annotated[str, Field(min_length=1)]
    data: dict[str, Any] = {}
    config: ModelConfig = ModelConfig()
    result_schema: dict[str, Any] | None = None
    stream: bool = False
    do_validate: bool | MISSING = MISSING
    tags: list[str] = []


class LooseCreateBody(CreateBody):
    """The body of create with a single tag allowed, and more in `config`."""

    config: LooseModelConfig = LooseModelConfig()
    tags: Annotated[list[str], BeforeValidator(_one_or_more)] = []


class ListQuery(_Body):
    """The query of list and filter-options: every value may come more than once."""

    model_config = ConfigDict(extra="ignore", strict=False)

    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    interaction: list[str] = []
    status: list[str] = []
    model: list[str] = []
    environment: list[str] = []
    tag: list[str] = []
    parent: list[str] = []
    is_root: bool | MISSING = MISSING


def read(shape: type[Body], value: Mapping[str, Any], contract: Contract) -> Body:
    """`value` as `shape`; what does not fit is refused, or under the loose contract left out where it can be.

    Raises:
        UnreadableBodyError: it does not fit.
    """
    if contract.strict:
        return _validated(shape, value)
    loose = dict(value)
    while True:
        try:
            return shape.model_validate(loose)
        except ValidationError as error:
            loc = error.errors()[0]["loc"]
            if error.errors()[0]["type"] == "missing" or not _leave_out(loose, loc):
                raise UnreadableBodyError(_first_problem(error)) from None


def _validated(shape: type[Body], value: Mapping[str, Any]) -> Body:
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise UnreadableBodyError(_first_problem(error)) from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    what = "unknown property" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{where}: {what}"


def _leave_out(value: Any, loc: Sequence[str | int]) -> bool:
    """Take out of `value` what is at `loc`; whether that could be done. Containers on the way are copied."""
    *way, last = loc
    for step in way:
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
