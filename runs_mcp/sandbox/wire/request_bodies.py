"""The bodies and query parameters that the sandbox accepts."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import MISSING, AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

MAX_LIMIT = 1_000
# `sqlite3` raises OverflowError for integers of more than 64 bits.
MAX_OFFSET = 2**31
DEFAULT_LIMIT = 100


def to_integer(value: Any) -> Any:
    """Convert a whole number with a decimal point (`10.0`) to an integer: JSON does not distinguish them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def to_list(value: Any) -> Any:
    """Put a text in a list."""
    return [value] if isinstance(value, str) else value


Limit = Annotated[int, Field(ge=0), BeforeValidator(to_integer), AfterValidator(lambda limit: min(limit, MAX_LIMIT))]
Offset = Annotated[
    int, Field(ge=0), BeforeValidator(to_integer), AfterValidator(lambda offset: min(offset, MAX_OFFSET))
]
Strings = Annotated[list[str], Field(default_factory=list)]
RunStatus = Literal["created", "processing", "completed", "failed"]


# `defer_build`: a model is built at its first use, so that a sandbox starts faster.
class Body(BaseModel):
    """A body that rejects unknown keys and values of wrong types."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class Parameters(BaseModel):
    """Query parameters. Unknown parameters are ignored."""

    model_config = ConfigDict(extra="ignore", defer_build=True)


class RunQuery(Body):
    """The `query` of search and facets under the reference document's contract."""

    name: str | MISSING = MISSING
    status: str | MISSING = MISSING
    interaction: str | MISSING = MISSING
    environment: str | MISSING = MISSING
    model: str | MISSING = MISSING
    tags: Strings
    query: str | MISSING = MISSING
    parent: Strings
    object: str | MISSING = MISSING
    start: str | MISSING = MISSING
    end: str | MISSING = MISSING


class StrictRunQuery(RunQuery):
    """The `query` of search and facets under the strict contract."""

    status: RunStatus | MISSING = MISSING
    limit: Limit | MISSING = MISSING
    offset: Offset | MISSING = MISSING
    exclude_tags: Strings
    default_query_path: str | MISSING = MISSING
    is_root: bool | MISSING = MISSING
    finish_reason: str | MISSING = MISSING
    created_by: str | MISSING = MISSING
    workflow_run_ids: Strings
    workflow_ids: Strings
    run_ids: Strings
    is_agent: bool | MISSING = MISSING


class SortOption(Body):
    """A field to sort by."""

    field: Annotated[str, Field(min_length=1)]
    order: Literal["asc", "desc"] = "desc"


class Facet(Body):
    """A facet to count."""

    name: str
    field: str


class SearchBody(Body):
    """The body of search."""

    limit: Limit | MISSING = MISSING
    offset: Offset | MISSING = MISSING
    query: Annotated[RunQuery, Field(default_factory=RunQuery)]
    select: str | MISSING = MISSING


class StrictSearchBody(SearchBody):
    """The body of search under the strict contract."""

    query: Annotated[StrictRunQuery, Field(default_factory=StrictRunQuery)]
    sort: Annotated[list[SortOption], Field(default_factory=list)]
    facets: Annotated[list[Facet], Field(default_factory=list)]
    limit_facets: bool | MISSING = MISSING
    all_revisions: bool | MISSING = MISSING
    from_root: str | MISSING = MISSING
    aggs: dict[str, Any] | MISSING = MISSING


class FacetsBody(Body):
    """The body of facets."""

    facets: list[Facet]
    query: Annotated[RunQuery, Field(default_factory=RunQuery)]


class StrictFacetsBody(FacetsBody):
    """The body of facets under the strict contract."""

    query: Annotated[StrictRunQuery, Field(default_factory=StrictRunQuery)]


class FindBody(Body):
    """The body of find."""

    query: dict[str, Any]
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    select: str | MISSING = MISSING
    all_revisions: bool | MISSING = MISSING
    from_root: str | MISSING = MISSING


class HttpTimeout(Body):
    """Timeouts of the call to the model's provider, in milliseconds."""

    headersTimeout: float | MISSING = MISSING  # noqa: N815 - the platform's own name
    bodyTimeout: float | MISSING = MISSING  # noqa: N815
    connectTimeout: float | MISSING = MISSING  # noqa: N815
    keepAliveTimeout: float | MISSING = MISSING  # noqa: N815


class ModelOptions(Body):
    """The `model_options` of create: the common options are checked, the others accepted."""

    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)

    temperature: float | MISSING = MISSING
    max_tokens: int | MISSING = MISSING
    top_p: float | MISSING = MISSING
    stop_sequence: list[str] | MISSING = MISSING


class LooseConfig(Body):
    """The `config` of create under the reference document's contract."""

    environment: str | MISSING = MISSING
    model: str | MISSING = MISSING
    do_validate: bool | MISSING = MISSING
    run_data: str | MISSING = MISSING
    configMode: str | MISSING = MISSING  # noqa: N815
    model_options: dict[str, Any] | MISSING = MISSING
    http_timeout: float | HttpTimeout | MISSING = MISSING
    temperature: float | MISSING = MISSING
    max_tokens: int | MISSING = MISSING


class StrictConfig(Body):
    """The `config` of create under the strict contract."""

    id: str | MISSING = MISSING
    inference_profile: Annotated[str, Field(pattern="^[a-fA-F0-9]{24}$")] | MISSING | None = MISSING
    inherit_model_config: bool | MISSING = MISSING
    environment: str | MISSING = MISSING
    model: str | MISSING = MISSING
    do_validate: bool | MISSING = MISSING
    run_data: Literal["STANDARD", "RESTRICTED", "DEBUG"] | MISSING = MISSING
    configMode: (  # noqa: N815
        Literal["RUN_AND_INTERACTION_CONFIG", "RUN_CONFIG_ONLY", "INTERACTION_CONFIG_ONLY"] | MISSING
    ) = MISSING
    model_options: ModelOptions | MISSING = MISSING
    prompt_cache_key: str | MISSING = MISSING
    prompt_cache_mode: Literal["auto", "off", "required"] | MISSING = MISSING
    prompt_cache_ttl_seconds: Annotated[int, Field(ge=60)] | MISSING = MISSING
    prompt_cache_schema_suffix: bool | MISSING = MISSING
    http_timeout: HttpTimeout | MISSING = MISSING


class ToolDefinition(Body):
    """A tool that the model may ask for."""

    name: Annotated[str, Field(min_length=1)]
    description: str | MISSING = MISSING
    input_schema: dict[str, Any]


class Workflow(Body):
    """The workflow that a run belongs to."""

    run_id: str
    workflow_id: str
    agent_run_id: str | MISSING = MISSING
    rate_limit_id: str | MISSING = MISSING
    activity_type: str | MISSING = MISSING


class InCodePrompt(Body):
    """A prompt of a `tmp:` interaction."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True, populate_by_name=True)

    role: Literal["safety", "system", "user", "assistant", "negative", "mask", "tool"]
    content: str
    content_type: Literal["jst", "handlebars", "text"]
    json_schema: dict[str, Any] | MISSING = Field(MISSING, alias="schema")
    name: str | MISSING = MISSING
    externalId: str | MISSING = MISSING  # noqa: N815


class CreateBody(Body):
    """The body of create, without its `config`."""

    interaction: Annotated[str, Field(min_length=1)]
    data: Any = None
    result_schema: dict[str, Any] | MISSING | None = MISSING
    stream: bool = False
    do_validate: bool | MISSING = MISSING
    tags: Strings
    conversation: Any = None
    tool_definitions: Annotated[list[ToolDefinition], Field(default_factory=list)]
    workflow: Workflow | MISSING = MISSING
    prompts: Annotated[list[InCodePrompt], Field(default_factory=list)]
    asyncCompletion: dict[str, Any] | MISSING = MISSING  # noqa: N815


class StrictCreateBody(CreateBody):
    """The body of create under the strict contract."""

    config: Annotated[StrictConfig, Field(default_factory=StrictConfig)]


class LooseCreateBody(CreateBody):
    """The body of create under the reference document's contract, where one tag may be a text."""

    config: Annotated[LooseConfig, Field(default_factory=LooseConfig)]
    tags: Annotated[list[str], BeforeValidator(to_list), Field(default_factory=list)]


class Evaluation(Body):
    """A person's or a program's verdict on a run."""

    score: float | MISSING = MISSING
    selected: bool | MISSING = MISSING
    scores: dict[str, float] | MISSING = MISSING


class UpdateBody(Body):
    """The body of update: fields of a run that a caller may change, and fields that are accepted and ignored."""

    tags: list[str] | MISSING = MISSING
    evaluation: Evaluation | MISSING = MISSING
    ttl: float | MISSING = MISSING
    parent: str | MISSING = MISSING
    result_schema: dict[str, Any] | MISSING = MISSING
    workflow: Workflow | MISSING = MISSING
    status: RunStatus | MISSING = MISSING
    finish_reason: str | MISSING = MISSING
    error: dict[str, Any] | MISSING = MISSING
    id: Any = MISSING
    environment: Any = MISSING
    modelId: Any = MISSING  # noqa: N815
    prompt: Any = MISSING
    token_use: Any = MISSING
    prompt_cache_diagnostics: Any = MISSING
    chunks: Any = MISSING
    execution_time: Any = MISSING
    created_at: Any = MISSING
    updated_at: Any = MISSING
    account: Any = MISSING
    project: Any = MISSING
    config: Any = MISSING
    source: Any = MISSING
    output_modality: Any = MISSING
    created_by: Any = MISSING
    updated_by: Any = MISSING
    interaction: Any = MISSING


CHANGEABLE = ("tags", "evaluation", "ttl", "parent", "result_schema", "workflow", "status", "finish_reason", "error")
"""The fields that an update changes."""


class ListParameters(Parameters):
    """The parameters of list and filter-options."""

    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    interaction: Strings
    status: Annotated[Sequence[str], Field(default_factory=list)]
    model: Strings
    environment: Strings
    tag: Strings
    parent: Strings
    is_root: bool | MISSING = MISSING
    workflow_run_ids: Strings
    workflow_ids: Strings


class StrictListParameters(ListParameters):
    """The parameters of list and filter-options under the strict contract."""

    status: Annotated[Sequence[RunStatus], Field(default_factory=list)]


class GetParameters(Parameters):
    """The parameters of get and create."""

    include_prompt: bool = True
