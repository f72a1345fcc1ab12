"""Settings of `serve --http`: authentication of callers and limits."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from runs_mcp.config.addresses import host_and_port, is_http, is_unencrypted
from runs_mcp.config.api_settings import AnyCase, Section
from runs_mcp.config.paths import FilePath

Scope = Literal["runs:read", "runs:create", "runs:manage"]
"""Permissions of callers of the HTTP endpoint: to read runs, to execute interactions, and to change and delete runs."""


class NoAuthSettings(Section):
    """No authentication. The endpoint is served on loopback only."""

    kind: Literal["none"] = "none"


class BearerAuthSettings(Section):
    """Callers authenticate with a key created by `runs-mcp keys add`."""

    kind: Literal["bearer"]
    keys_file: FilePath = Field(
        description="File in which `runs-mcp keys` stores the hashes of the keys; reloaded when it changes.",
    )


class JwtAuthSettings(Section):
    """Callers authenticate with a JWT of an OAuth 2.1 authorization server; the endpoint is a resource server."""

    kind: Literal["jwt"]
    issuer: str = Field(
        description="Issuer identifier of the authorization server, exactly as in the `iss` claim of its tokens.",
    )
    resource_url: str = Field(
        description=(
            "Public URL of the endpoint, e.g. `https://runs.example.com/mcp`, used in its metadata and as its audience."
        ),
    )
    audience: str | None = Field(
        default=None,
        description="Required value of the `aud` claim. Defaults to `resource_url`.",
    )
    jwks_url: str | None = Field(
        default=None,
        description="URL of the issuer's JSON Web Key Set. Set either this or `jwks_file`.",
    )
    jwks_file: FilePath | None = Field(
        default=None,
        description="A file with the issuer's JSON Web Key Set; each key needs a `kid`. Reloaded when it changes.",
    )
    # Asymmetric algorithms only: an HMAC key shared with the issuer could sign tokens as well (RFC 8725, section 3.1).
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"], ...] = Field(
        default=("RS256", "ES256", "EdDSA"),
        description="Accepted signature algorithms.",
    )
    leeway_s: float = Field(
        default=30,
        ge=0,
        le=300,
        description="Accepted difference between the clocks of issuer and server, in seconds.",
    )
    required_scopes: tuple[str, ...] = Field(
        default=(),
        description="Scopes that a token must have in addition to `runs:read`.",
    )
    granted_scopes: tuple[Scope, ...] = Field(
        default=(),
        description=(
            "Scopes granted to every token in addition to its own, for issuers that do not know the scopes of runs-mcp."
        ),
    )

    @field_validator("issuer", "resource_url", "jwks_url")
    @classmethod
    def _url_is_https(cls, url: str | None) -> str | None:
        if url is not None and (not is_http(url) or is_unencrypted(url)):
            raise ValueError("must be an https URL: over http an attacker could replace the keys that admit callers")
        return url

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("set exactly one of jwks_url, jwks_file")
        return self


AuthenticationSettings = Annotated[
    NoAuthSettings | BearerAuthSettings | JwtAuthSettings,
    Field(discriminator="kind", description="Authentication of callers."),
]


class HttpSettings(Section):
    """Settings of `serve --http`."""

    auth: AuthenticationSettings = NoAuthSettings()
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description=(
            "Accepted `Host` headers besides those of loopback, e.g. `runs.example.com` or `runs.example.com:*`."
        ),
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(),
        description=(
            "Origins of web pages that may call from a browser, e.g. `https://chat.example.com` or "
            "`http://localhost:*`."
        ),
    )
    max_requests: int = Field(
        default=5_000,
        ge=1,
        description=(
            "Maximum number of concurrent requests per process, including open streams; further requests receive a 503."
        ),
    )
    rate_limit: int | None = Field(
        default=None,
        ge=1,
        description="Requests allowed per caller and minute; further requests receive a 429. Unlimited by default.",
    )
    metrics: str | None = Field(
        default=None,
        description="Address to serve Prometheus metrics on, e.g. `127.0.0.1:9464`. Unset: no metrics are collected.",
    )
    without_profile: Annotated[Literal["refuse", "serve"], AnyCase] = Field(
        default="refuse",
        description=(
            "Callers that match no profile: `refuse` them, or `serve` them with the settings outside the profiles."
        ),
    )

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
