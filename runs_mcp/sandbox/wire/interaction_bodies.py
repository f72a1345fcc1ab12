"""The bodies of the operations that change interactions, or ask a model about them."""

from typing import Annotated, Any, Literal

from pydantic import MISSING, BeforeValidator, Field

from runs_mcp.sandbox.wire.catalog_bodies import InteractionStatus
from runs_mcp.sandbox.wire.request_bodies import (
    Body,
    ModelOptions,
    Parameters,
    StrictConfig,
    to_integer,
)

Name = Annotated[str, Field(min_length=1)]
Role = Literal["safety", "system", "user", "assistant", "negative", "mask", "tool"]
ContentType = Literal["jst", "handlebars", "text", "js"]
Visibility = Literal["public", "private"]
Integer = Annotated[int, BeforeValidator(to_integer)]
Revision = Annotated[int, Field(ge=1), BeforeValidator(to_integer)]
ProfileId = Annotated[str, Field(pattern="^[a-fA-F0-9]{24}$")]
MAX_RECORDS = 100


class PromptReference(Body):
    """A prompt template without its content."""

    id: str
    name: str
    role: Role
    version: Integer
    status: InteractionStatus
    description: str | MISSING = MISSING
    content_type: ContentType | MISSING = MISSING
    tags: list[str] | MISSING = MISSING
    created_at: str
    updated_at: str


class PromptTemplate(PromptReference):
    """A whole prompt template."""

    content: str
    content_type: ContentType
    inputSchema: dict[str, Any] | MISSING = MISSING  # noqa: N815 - the platform's own name
    edit_revision: Revision | MISSING = MISSING
    parent: str | MISSING = MISSING
    test_data: dict[str, Any] | MISSING = MISSING
    script: str | MISSING = MISSING
    project: str | dict[str, Any]
    last_published_at: str | MISSING = MISSING
    created_by: str
    updated_by: str


class PromptSegment(Body):
    """A part of the prompt of an interaction; `template` may be the id of a template."""

    id: str | MISSING = MISSING
    type: Literal["chat", "template"]
    template: str | PromptTemplate | PromptReference | MISSING = MISSING
    configuration: Any = MISSING


class CachePolicy(Body):
    """The caching of results, which the sandbox does not do."""

    type: Literal["cache", "no_cache", "cache_and_refresh"]
    refresh_probability: float
    varies_on: list[str]
    ttl: float


class InteractionFields(Body):
    """The fields that creation and update have in common."""

    description: str | MISSING = MISSING
    tags: list[str] | MISSING = MISSING
    visibility: Visibility | MISSING = MISSING
    environment: str | dict[str, Any] | MISSING = MISSING
    model: str | MISSING = MISSING
    inference_profile: ProfileId | MISSING | None = MISSING
    test_data: dict[str, Any] | MISSING = MISSING
    interaction_schema: dict[str, Any] | MISSING = MISSING
    cache_policy: CachePolicy | MISSING = MISSING
    last_published_at: str | MISSING = MISSING
    agent_runner_options: dict[str, Any] | MISSING = MISSING
    model_options: ModelOptions | MISSING = MISSING
    store_media_results: bool | MISSING = MISSING
    restriction: Literal["STANDARD", "RESTRICTED", "DEBUG"] | MISSING = MISSING
    output_modality: str | MISSING = MISSING


class InteractionCreateBody(InteractionFields):
    """The body of the creation of an interaction."""

    status: InteractionStatus
    name: Name
    prompts: list[PromptSegment]
    result_schema: dict[str, Any] | MISSING = MISSING


class InteractionUpdateBody(InteractionFields):
    """The body of the update of an interaction."""

    expected_edit_revision: Revision | MISSING = MISSING
    status: InteractionStatus | MISSING = MISSING
    parent: str | MISSING = MISSING
    version: Integer | MISSING = MISSING
    name: Name | MISSING = MISSING
    endpoint: Name | MISSING = MISSING
    prompts: list[PromptSegment] | MISSING = MISSING
    result_schema: dict[str, Any] | MISSING | None = MISSING


SETTINGS = (
    "inference_profile",
    "interaction_schema",
    "cache_policy",
    "last_published_at",
    "agent_runner_options",
    "model_options",
    "store_media_results",
    "restriction",
    "output_modality",
)
"""The fields that the sandbox keeps as they are."""


class DeleteParameters(Parameters):
    """The parameters of the deletion of an interaction."""

    cascade: bool = False


class PublishBody(Body):
    """The body of the publication of a draft."""

    visibility: Visibility | MISSING = MISSING
    tags: list[str] | MISSING = MISSING


class ForkBody(Body):
    """The body of a fork."""

    newName: Name | MISSING = MISSING  # noqa: N815
    keepTags: bool = False  # noqa: N815
    forkPrompts: bool = False  # noqa: N815
    targetProject: str | MISSING = MISSING  # noqa: N815


class ConfigurationBody(Body):
    """The body of the configuration of a `sys:` or `app:` interaction; a null budget removes the saved budget."""

    inference_profile: ProfileId | None
    budget: dict[str, Any] | MISSING | None = MISSING


class ModelBody(Body):
    """The body of an operation that asks a model."""

    config: StrictConfig


class GenerateBody(ModelBody):
    """The body of the generation of an interaction."""

    description: Name


class RecordsBody(ModelBody):
    """The body of the generation of test data."""

    message: str | MISSING = MISSING
    count: Annotated[int, Field(ge=1, le=MAX_RECORDS), BeforeValidator(to_integer)] = 1


class PromptText(Body):
    """A named text of a prompt."""

    name: str
    content: str


class ImproveBody(ModelBody):
    """The body of a request to improve prompts that need not be stored."""

    interaction_name: str
    context: str | MISSING = MISSING
    prompt: list[PromptText]
    result_schema: dict[str, Any] | MISSING = MISSING
