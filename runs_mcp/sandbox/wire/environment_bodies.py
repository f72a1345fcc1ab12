"""The bodies and query parameters of the operations on environments."""

from typing import Annotated, Any, Literal

from pydantic import MISSING, BeforeValidator, Field

from runs_mcp.sandbox.wire.request_bodies import Body, Parameters, Strings, to_integer

Name = Annotated[str, Field(min_length=1)]
Provider = Literal[
    "openai",
    "openai_compatible",
    "azure_openai",
    "azure_foundry",
    "huggingface_ie",
    "replicate",
    "bedrock",
    "bedrock_mantle",
    "vertexai",
    "togetherai",
    "mistralai",
    "groq",
    "watsonx",
    "xai",
    "anthropic",
    "openrouter",
    "virtual_lb",
    "virtual_mediator",
    "test",
]
MAX_DIMENSIONS = 4_096
MAX_INPUTS = 1_000
MAX_STEP = 1_000


class EnvironmentParameters(Parameters):
    """The parameters of the list of environments."""

    all: bool = False


class ModelParameters(Parameters):
    """The parameters of the list of models."""

    text: str | MISSING = MISSING
    type: str | MISSING = MISSING
    tags: Strings
    owner: str | MISSING = MISSING


class BudgetParameters(Parameters):
    """The parameters of the availability of prices for budgets."""

    model: Name
    check_model: bool = True
    service_tier: str | MISSING = MISSING


class ModelDescription(Body):
    """A model that an environment enables."""

    id: str
    name: str
    provider: str
    description: str | MISSING = MISSING
    version: str | MISSING = MISSING
    type: str | MISSING = MISSING
    tags: list[str] | MISSING = MISSING
    owner: str | MISSING = MISSING
    status: str | MISSING = MISSING
    can_stream: bool | MISSING = MISSING
    is_custom: bool | MISSING = MISSING
    is_multimodal: bool | MISSING = MISSING
    input_modalities: list[str] | MISSING = MISSING
    output_modalities: list[str] | MISSING = MISSING
    tool_support: bool | MISSING = MISSING
    environment: str | MISSING = MISSING


class EnvironmentUpdateBody(Body):
    """The body of the update of an environment."""

    name: Name | MISSING = MISSING
    provider: Provider | MISSING = MISSING
    description: str | MISSING = MISSING
    endpoint_url: str | MISSING = MISSING
    default_model: str | MISSING = MISSING
    enabled_models: list[ModelDescription] | MISSING = MISSING
    apiKey: str | MISSING = MISSING  # noqa: N815 - the platform's own name
    config: Any = MISSING
    settings: dict[str, Any] | MISSING = MISSING
    allowed_projects: list[str] | MISSING = MISSING


class EnvironmentCreateBody(EnvironmentUpdateBody):
    """The body of the creation of an environment."""

    name: Name
    provider: Provider


class EntryBody(Body):
    """A model of a virtual environment."""

    model: str
    weight: float | MISSING = MISSING


class VirtualConfig(Body):
    """The configuration of an environment that mediates between models or balances their load."""

    entries: list[EntryBody] | MISSING = MISSING
    failover: bool | MISSING = MISSING
    balance_if_failed: bool | MISSING = MISSING
    max_concurrent_requests: int | MISSING = MISSING
    mediators: list[EntryBody] | MISSING = MISSING
    model_options: dict[str, Any] | MISSING = MISSING


class EnvironmentConfigBody(Body):
    """The body of the update of the models and the configuration of an environment."""

    enabled_models: list[ModelDescription] | MISSING = MISSING
    config: VirtualConfig | MISSING = MISSING


class EnableModelBody(Body):
    """The body that enables a model."""

    model_id: Name


class MigrateBody(Body):
    """The body of the migration of drafts to another environment and model."""

    new_env_id: str
    new_model_id: str
    interaction_ids: list[str]


class MediaSource(Body):
    """The content of an image, a video or a sound."""

    name: str | MISSING = MISSING
    mime_type: str | MISSING = MISSING
    url: str | MISSING = MISSING
    base64: str | MISSING = MISSING


class EmbeddingInput(Body):
    """A text, or a medium whose content has a `source`."""

    type: Literal["text", "image", "video", "audio"]
    text: str | MISSING = MISSING
    source: MediaSource | MISSING = MISSING
    title: str | MISSING = MISSING
    task_type: Literal["query", "document"] | MISSING = MISSING
    start_sec: float | MISSING = MISSING
    length_sec: float | MISSING = MISSING
    interval_sec: float | MISSING = MISSING
    use_fixed_length_sec: bool | MISSING = MISSING
    min_clip_sec: float | MISSING = MISSING
    embedding_option: list[str] | MISSING = MISSING


class EmbeddingsBody(Body):
    """The body of a request for embeddings under the strict contract."""

    inputs: Annotated[list[EmbeddingInput], Field(max_length=MAX_INPUTS)]
    embedding_type: Literal["text", "image", "properties"] | MISSING = MISSING
    model: str | MISSING = MISSING
    task_type: Literal["query", "document"] | MISSING = MISSING
    dimensions: Annotated[int, Field(ge=1, le=MAX_DIMENSIONS), BeforeValidator(to_integer)] | MISSING = MISSING


class LooseEmbeddingsBody(Body):
    """The body of a request for an embedding under the reference document's contract."""

    content: str
    model: str | MISSING = MISSING


class AnalyticsFilter(Body):
    """The runs that an analysis covers."""

    environment: str | MISSING = MISSING
    project: str | MISSING = MISSING
    interactions: Strings
    models: Strings
    status: Strings
    tags: Strings
    selectedOnly: bool = False  # noqa: N815


class AnalyticsBody(Body):
    """The body of an analysis of the runs of an environment; times are milliseconds since 1970."""

    filterBy: AnalyticsFilter  # noqa: N815
    groupBy: (  # noqa: N815
        Literal["interaction", "modelId", "project", "status", "tags", "environment"] | MISSING
    ) = MISSING
    start: float | MISSING = Field(MISSING, alias="from")
    to: float | MISSING = MISSING
    resolution: Literal["minute", "hour", "day", "week", "month", "year"] = "day"
    resolutionStep: Annotated[int, Field(ge=1, le=MAX_STEP), BeforeValidator(to_integer)] = 1  # noqa: N815
    virtual: bool | MISSING = MISSING
