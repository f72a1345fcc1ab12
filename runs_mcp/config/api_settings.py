"""Settings of the Runs API client. Importing this module loads nothing of the HTTP service."""

import os
import shlex
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from runs_mcp.config.addresses import http_url, is_unencrypted
from runs_mcp.config.paths import FilePath

AnyCase = BeforeValidator(lambda value: value.strip().lower() if isinstance(value, str) else value)
"""Marker of a setting with lower-case values, which accepts any case."""


class Section(BaseModel):
    """A section of the configuration: frozen, without unknown keys, and with values kept out of error messages."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # a value can be a credential, and configuration errors are printed
        str_strip_whitespace=True,
    )


KEY_PREFIXES = ("sk-", "pk-")
"""The beginnings of API keys: a secret key has `sk-`; a public key has `pk-`, and may only execute interactions."""


class AuthSettings(Section):
    """The source of the credential for the Runs API: exactly one of `value`, `env`, `file`, `command`."""

    kind: Annotated[Literal["token", "api_key"], AnyCase] = Field(
        default="token",
        description=(
            "`token`: a JWT, sent unchanged. `api_key`: an `sk-` or `pk-` key, exchanged for JWTs that are renewed "
            "before they expire. If unset, a `value` that begins with `sk-` or `pk-` is treated as an API key."
        ),
    )
    value: SecretStr | None = Field(
        default=None,
        description="The secret itself. Prefer `env`, `file` or `command`: configuration files get copied.",
    )
    env: str | None = Field(default=None, description="Name of an environment variable that holds the secret.")
    file: FilePath | None = Field(default=None, description="A file that holds the secret; reloaded when it changes.")
    command: str | None = Field(
        default=None,
        description="A command that prints the secret, e.g. `op read op://vault/runs/token`; run without a shell.",
    )
    token_url: str | None = Field(
        default=None,
        description="URL of the token endpoint for API keys, if the edition cannot derive it from the base URL.",
    )

    @property
    def is_set(self) -> bool:
        """False if the secret is in an environment variable that is unset or empty, else true."""
        # Files and commands are not tried: reading a secret can ask a person to unlock a password manager.
        return self.env is None or bool(os.environ.get(self.env))

    @model_validator(mode="before")
    @classmethod
    def _keys_have_a_prefix(cls, settings: Any) -> Any:
        if isinstance(settings, dict) and str(settings.get("value")).startswith(KEY_PREFIXES):
            return {"kind": "api_key", **settings}
        return settings

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [name for name in ("value", "env", "file", "command") if getattr(self, name) is not None]
        # The environment and the file are merged: a variable for one source does not unset the source of the file.
        if len(sources) != 1:
            problem = f"not {' and '.join(sources)}" if sources else "none is set"
            raise ValueError(f"set exactly one of value, env, file, command ({problem})")
        return self

    @field_validator("command")
    @classmethod
    def _command_is_valid(cls, command: str | None) -> str | None:
        if command is not None:
            shlex.split(command)  # raises ValueError for an unbalanced quote
        return command

    @field_validator("token_url")
    @classmethod
    def _token_url_is_http(cls, url: str | None) -> str | None:
        return url if url is None else http_url(url)


class ApiSettings(Section):
    """The Runs API that the server calls."""

    base_url: str | None = Field(
        default=None,
        description="Base URL up to and including `/api/v1`. Defaults to the URL of the edition.",
    )
    edition: Annotated[Literal["composable", "vertesia"], AnyCase] = Field(
        default="composable",
        description="Contract of the API: `composable` (the reference document) or `vertesia` (the current platform).",
    )
    project: str | None = Field(
        default=None,
        description="Project id to work in, if the edition lets the caller choose it (`composable`).",
    )
    api_version: str | None = Field(
        default=None,
        description="Value of the `x-api-version` header. Defaults to the version of the edition.",
    )
    auth: AuthSettings = AuthSettings(env="COMPOSABLE_TOKEN")
    timeout_s: float = Field(default=30, gt=0, description="Seconds to wait for a connection, and for a response.")
    execution_timeout_s: float = Field(
        default=1800,
        gt=0,
        description="Seconds to wait for a run that is executed within one call, or for the next chunk of a stream.",
    )
    max_retries: int = Field(
        default=4,
        ge=0,
        le=20,
        description="Maximum number of retries of a request that is safe to repeat.",
    )
    max_concurrent: int = Field(
        default=32,
        ge=1,
        le=100,
        description=(
            "Maximum number of concurrent requests, without streams and blocking creates; further requests wait."
        ),
    )
    max_response_bytes: int = Field(
        default=67_108_864,
        ge=100_000,
        description=(
            "Maximum size of a response, or of an event of a stream, in bytes after decompression; the rest is not "
            "read."
        ),
    )
    allow_plain_http: bool = Field(
        default=False,
        description=(
            "Allow http to another machine, which sends the credential unencrypted. Loopback is always allowed."
        ),
    )

    @field_validator("base_url")
    @classmethod
    def _base_url_is_http(cls, url: str | None) -> str | None:
        return url if url is None else http_url(url)

    @model_validator(mode="after")
    def _credential_is_sent_encrypted(self) -> Self:
        for name, url in (("base_url", self.base_url), ("auth.token_url", self.auth.token_url)):
            if url and not self.allow_plain_http and is_unencrypted(url):
                raise ValueError(
                    f"{name}: http would send the credential unencrypted; use https, or set api.allow_plain_http"
                )
        return self
