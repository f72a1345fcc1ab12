"""A typed async client of the Runs API, useful without MCP. `docs/library.md` shows how to use it."""

from runs_mcp.api.catalog import Catalog, Environment, Interaction, Resolution
from runs_mcp.api.client import RunsClient, connect
from runs_mcp.api.content_filter import ContentFilter
from runs_mcp.api.editions import EDITIONS, Edition
from runs_mcp.api.errors import (
    REFUSALS,
    ApiTimeoutError,
    AuthenticationError,
    CredentialError,
    FindClosedError,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ProxySettingsError,
    RateLimitedError,
    ResponseTooLargeError,
    RunsApiError,
    SetupError,
    StreamInterruptedError,
    UnavailableError,
    UntrustedError,
)
from runs_mcp.api.filters import ListFilters, SearchFilters
from runs_mcp.api.models import Bucket, Facets, FilterOption, Ref, Run, RunError, TokenUse
from runs_mcp.api.requests.auth import Credential
from runs_mcp.api.requests.instrumentation import Exchange, Observe
from runs_mcp.api.requests.retry import OnWait
from runs_mcp.api.requests.transport import DefaultTransport
from runs_mcp.api.stream import Chunk, Closed, Event, TextFilter
from runs_mcp.config.api_settings import ApiSettings, AuthSettings

__all__ = [
    "EDITIONS",
    "REFUSALS",
    "ApiSettings",
    "ApiTimeoutError",
    "AuthSettings",
    "AuthenticationError",
    "Bucket",
    "Catalog",
    "Chunk",
    "Closed",
    "ContentFilter",
    "Credential",
    "CredentialError",
    "DefaultTransport",
    "Edition",
    "Environment",
    "Event",
    "Exchange",
    "Facets",
    "FilterOption",
    "FindClosedError",
    "Interaction",
    "InvalidArgumentError",
    "InvalidRequestError",
    "ListFilters",
    "NotFoundError",
    "Observe",
    "OnWait",
    "PermissionDeniedError",
    "ProtocolError",
    "ProxySettingsError",
    "RateLimitedError",
    "Ref",
    "Resolution",
    "ResponseTooLargeError",
    "Run",
    "RunError",
    "RunsApiError",
    "RunsClient",
    "SearchFilters",
    "SetupError",
    "StreamInterruptedError",
    "TextFilter",
    "TokenUse",
    "UnavailableError",
    "UntrustedError",
    "connect",
]
