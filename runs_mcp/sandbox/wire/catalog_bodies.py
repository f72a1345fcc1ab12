"""The bodies and query parameters of the operations on interactions and environments."""

from typing import Annotated, Literal

from pydantic import MISSING, BeforeValidator, Field

from runs_mcp.sandbox.wire.request_bodies import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Body,
    Limit,
    Offset,
    Parameters,
    Strings,
    to_integer,
)

InteractionStatus = Literal["draft", "published", "archived"]


class InteractionParameters(Parameters):
    """The parameters of the list of interactions."""

    name: str | MISSING = MISSING
    status: Strings
    tags: Strings
    version: str | MISSING = MISSING
    prompt: str | MISSING = MISSING
    model: str | MISSING = MISSING
    environment: str | MISSING = MISSING
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0


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


class ModelParameters(Parameters):
    """The parameters of the list of models."""

    text: str | MISSING = MISSING
    type: str | MISSING = MISSING
    tags: Strings
    owner: str | MISSING = MISSING


class EnvironmentParameters(Parameters):
    """The parameters of the list of environments."""

    all: bool = False
