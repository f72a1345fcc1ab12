"""Settings of `serve --http`: authentication of callers and limits."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from runs_mcp.config.addresses import host_and_port, is_http, is_unencrypted
from runs_mcp.config.api_settings import AnyCase, Section

Scope = Literal["runs:read", "runs:create"]
"""Permissions that callers of the HTTP endpoint can have: to read runs, and to execute interactions."""


class NoAuthSettings(Section):
    """Anyone who can reach the endpoint may call, which is why it serves loopback only."""

    kind: Literal["none"] = "none"


class BearerAuthSettings(Section):
    """Callers present a key that `runs-mcp keys add` made for them."""

    kind: Literal["bearer"]
    keys_file: Path
    """Where `runs-mcp keys` keeps the hashes of the keys; read again when it changes."""


class JwtAuthSettings(Section):
    """Callers present a JWT of an OAuth 2.1 authorization server; the endpoint is a resource server."""

    kind: Literal["jwt"]
    issuer: str
    """The authorization server, exactly as its tokens spell it in `iss`."""
    resource_url: str
    """Public URL of the endpoint, e.g. `https://runs.example.com/mcp`: what its metadata says, and its audience."""
    audience: str | None = None
    """What tokens must have in `aud`. Unset: `resource_url`."""
    jwks_url: str | None = None
    """Where the issuer publishes its keys. Give either this or `jwks_file`."""
    jwks_file: Path | None = None
    """A file with the issuer's keys (a JSON Web Key Set), each with its `kid`; read again when it changes."""
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"], ...] = (
        "RS256",
        "ES256",
        "EdDSA",
    )
    """Signatures to accept."""
    leeway_s: float = Field(default=30, ge=0, le=300)
    """Seconds by which the clocks of issuer and server may differ."""
    required_scopes: tuple[str, ...] = ()
    """Scopes that a token must have beside `runs:read`."""
    granted_scopes: tuple[Scope, ...] = ()
    """Scopes that every token has beside its own, for issuers that do not know the scopes of runs-mcp."""

    @field_validator("issuer", "resource_url", "jwks_url")
    @classmethod
    def _cannot_be_forged(cls, url: str | None) -> str | None:
        if url is not None and (not is_http(url) or is_unencrypted(url)):
            raise ValueError("must be an https URL: an attacker who changes it in transit decides who may call")
        return url

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("give exactly one of jwks_url, jwks_file")
        return self


AuthenticationSettings = Annotated[
    NoAuthSettings | BearerAuthSettings | JwtAuthSettings, Field(discriminator="kind", description="Who may call.")
]


class HttpSettings(Section):
    """`serve --http`."""

    auth: AuthenticationSettings = NoAuthSettings()
    allowed_hosts: tuple[str, ...] = ()
    """`Host` headers to accept beside loopback's own, e.g. `runs.example.com` or `runs.example.com:*`."""
    allowed_origins: tuple[str, ...] = ()
    """Web pages that may call from a browser, e.g. `https://chat.example.com` or `http://localhost:*`."""
    max_requests: int = Field(default=5_000, ge=1)
    """How many requests, open streams included, one process holds at once; further requests are answered 503."""
    rate_limit: int | None = Field(default=None, ge=1)
    """How many requests a caller may make a minute; further requests are answered 429. Unset: as many as it likes."""
    metrics: str | None = None
    """Address to serve Prometheus metrics at, apart from `/mcp`, e.g. `127.0.0.1:9464`. Unset: none are kept."""
    without_profile: Annotated[Literal["refuse", "serve"], AnyCase] = "refuse"
    """Treatment of callers that no profile names: `refuse` them, or `serve` them by the settings outside profiles."""

    @field_validator("metrics")
    @classmethod
    def _metrics_is_an_address(cls, address: str | None) -> str | None:
        if address is not None and not host_and_port(address):
            raise ValueError("must be an address and a port such as 127.0.0.1:9464")
        return address

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """`metrics` as host and port."""
        return host_and_port(self.metrics) if self.metrics else None
