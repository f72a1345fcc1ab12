"""The bodies and query parameters of the operations on interactions and environments."""

from typing import Annotated, Literal

from pydantic import MISSING, BaseModel, BeforeValidator, Field

from runs_mcp.sandbox.wire.request_bodies import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Body,
    Limit,
    Offset,
    Parameters,
    Strings,
    to_integer,
    to_list,
)

InteractionStatus = Literal["draft", "published", "archived"]


CAPABILITIES = ("is_agent", "is_tool", "is_skill", "is_sub_agent")
"""The options of the agent runner that lists can filter by."""


class InteractionQuery(BaseModel):
    """The filters of interactions."""

    name: str | MISSING = MISSING
    status: Strings
    tags: Strings
    version: str | MISSING = MISSING
    prompt: str | MISSING = MISSING
    model: str | MISSING = MISSING
    environment: str | MISSING = MISSING
    is_agent: bool | MISSING = MISSING
    is_tool: bool | MISSING = MISSING
    is_skill: bool | MISSING = MISSING
    is_basic: bool | MISSING = MISSING
    is_sub_agent: bool | MISSING = MISSING
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0


class InteractionParameters(InteractionQuery, Parameters):
    """The parameters of the list of interactions."""


class InteractionQueryBody(InteractionQuery, Body):
    """The `query` of the facets of interactions."""

    status: Annotated[list[str], BeforeValidator(to_list), Field(default_factory=list)]
    tags: Annotated[list[str], BeforeValidator(to_list), Field(default_factory=list)]


class StrictInteractionQueryBody(InteractionQueryBody):
    """The `query` of the facets of interactions under the strict contract."""

    status: Strings
    tags: Strings


class InteractionFacet(Body):
    """A field of interactions to count."""

    name: str
    field: Literal["status", "tags", "version", "visibility"]


class InteractionFacetsBody(Body):
    """The body of the facets of interactions."""

    facets: list[InteractionFacet]
    query: Annotated[InteractionQueryBody, Field(default_factory=InteractionQueryBody)]


class StrictInteractionFacetsBody(InteractionFacetsBody):
    """The body of the facets of interactions under the strict contract."""

    query: Annotated[StrictInteractionQueryBody, Field(default_factory=StrictInteractionQueryBody)]


class EndpointsBody(Body):
    """The body of the list of endpoints."""

    limit: Limit = MAX_LIMIT
    offset: Offset = 0
    status: InteractionStatus | MISSING = MISSING
    visibility: Literal["public", "private"] | MISSING = MISSING
    version: Annotated[int, BeforeValidator(to_integer)] | MISSING = MISSING
    tags: Strings
    includes: Strings
    excludes: Strings
    include_params_schema: bool = False
    include_result_schema: bool = False
    is_skill: bool | MISSING = MISSING


class ExportBody(Body):
    """The body of the export of interactions."""

    name: str | MISSING = MISSING
    tags: Strings
    versions: Annotated[list[int | Literal["draft", "latest"]], Field(default_factory=list)]


class CatalogParameters(Parameters):
    """The parameters of the catalogue."""

    tag: str | MISSING = MISSING
    status: str | MISSING = MISSING


class ResolveParameters(Parameters):
    """The parameters of resolving an interaction."""

    environment: str | MISSING = MISSING
    model: str | MISSING = MISSING
