"""A typed async client of the Runs API, useful without MCP."""

from collections.abc import Sequence

from runs_mcp.api.client import RunsClient
from runs_mcp.api.credentials import Credential
from runs_mcp.api.editions import EDITIONS, Edition
from runs_mcp.api.errors import (
    ApiTimeoutError,
    AuthenticationError,
    CredentialError,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    RunsApiError,
    StreamInterruptedError,
    UnavailableError,
    UntrustedError,
)
from runs_mcp.api.models import Bucket, Facets, FilterOption, Ref, Run, RunError, TokenUse
from runs_mcp.api.network import Network
from runs_mcp.api.observing import Exchange, Observe
from runs_mcp.api.stream import Chunk, Closed
from runs_mcp.api.transport import OnWait, Transport
from runs_mcp.config.api_settings import ApiSettings

__all__ = [
    "EDITIONS",
    "ApiTimeoutError",
    "AuthenticationError",
    "Bucket",
    "Chunk",
    "Closed",
    "Credential",
    "CredentialError",
    "Edition",
    "Exchange",
    "Facets",
    "FilterOption",
    "InvalidArgumentError",
    "InvalidRequestError",
    "NotFoundError",
    "Observe",
    "OnWait",
    "PermissionDeniedError",
    "ProtocolError",
    "RateLimitedError",
    "Ref",
    "Run",
    "RunError",
    "RunsApiError",
    "RunsClient",
    "StreamInterruptedError",
    "TokenUse",
    "UnavailableError",
    "UntrustedError",
    "connect",
]


def connect(
    settings: ApiSettings,
    *,
    token_in_query: bool = False,
    network: Network | None = None,
    on_wait: OnWait | None = None,
    observers: Sequence[Observe] = (),
) -> RunsClient:
    """A client of the API that `settings` describe; nothing is sent before it is used.

    `token_in_query` authenticates streams by the `access_token` parameter; `network` replaces the
    network there is. `on_wait` is told of each repetition of a request, and why; `observers` of
    each request.

    Raises:
        CredentialError: there is no secret where the settings say, or no saying where to exchange it.
    """
    return RunsClient(
        Transport(settings, token_in_query=token_in_query, network=network, on_wait=on_wait, observers=observers)
    )
