"""Settings of the Runs API client. Importing this module loads nothing of the HTTP service."""

import os
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from runs_mcp.config.addresses import http_url, is_unencrypted

AnyCase = BeforeValidator(lambda value: value.strip().lower() if isinstance(value, str) else value)
"""Marks a setting whose value is a word in lower case, and accepts any case."""


class Section(BaseModel):
    """A section of the configuration: frozen, closed to unknown keys, its values kept out of errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )


class AuthSettings(Section):
    """The source of the credential for the Runs API: exactly one of `value`, `env`, `file`, `command`."""

    kind: Annotated[Literal["token", "api_key"], AnyCase] = "token"
    """`token`: a JWT, sent as it is. `api_key`: an `sk-` key, exchanged for JWTs, which are renewed in time.
    Unset, a `value` that begins with `sk-` is an API key."""
    value: SecretStr | None = None
    """The secret itself. Prefer one of the other three: configuration files get copied."""
    env: str | None = None
    """Name of an environment variable that holds the secret."""
    file: Path | None = None
    """A file that holds the secret; read again when it changes."""
    command: str | None = None
    """A command that prints the secret, e.g. `op read op://vault/runs/token`; run without a shell."""
    token_url: str | None = None
    """Where an API key is exchanged, when the edition cannot know it from the base URL."""

    @property
    def given(self) -> bool:
        """False if the secret is in an environment variable that is unset or empty, else true."""
        return self.env is None or bool(os.environ.get(self.env))

    @model_validator(mode="before")
    @classmethod
    def _keys_begin_with_sk(cls, settings: Any) -> Any:
        if isinstance(settings, dict) and str(settings.get("value")).startswith("sk-"):
            return {"kind": "api_key", **settings}
        return settings

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("value", "env", "file", "command") if getattr(self, name) is not None]
        if len(given) != 1:
            said = f"not {' and '.join(given)}" if given else "none is set"
            raise ValueError(f"give exactly one of value, env, file, command ({said})")
        return self

    @field_validator("command")
    @classmethod
    def _command_has_words(cls, command: str | None) -> str | None:
        if command is not None:
            shlex.split(command)  # its ValueError says what is unbalanced
        return command

    @field_validator("token_url")
    @classmethod
    def _token_urlis_http(cls, url: str | None) -> str | None:
        return url if url is None else http_url(url)


class ApiSettings(Section):
    """The Runs API that is fronted."""

    base_url: str | None = None
    """Base URL up to and including `/api/v1`. Unset: the edition's own."""
    edition: Annotated[Literal["composable", "vertesia"], AnyCase] = "composable"
    """Which contract the API speaks: `composable` (the reference document) or `vertesia` (today's)."""
    project: str | None = None
    """Project id to work in, where the edition lets the caller choose (`composable`)."""
    api_version: str | None = None
    """Value of the `x-api-version` header. Unset: the edition's own."""
    auth: AuthSettings = AuthSettings(env="COMPOSABLE_TOKEN")
    timeout_s: float = Field(default=30, gt=0)
    """Seconds to wait for an answer, and for a connection."""
    execution_timeout_s: float = Field(default=1800, gt=0)
    """Seconds to wait for a run that is executed within one call, or for the next chunk of a stream."""
    max_retries: int = Field(default=4, ge=0, le=20)
    """How many times a call that may safely be repeated is repeated."""
    max_concurrent: int = Field(default=32, ge=1, le=100)
    """How many requests may be under way at once, streams apart; further requests wait their turn."""
    max_response_bytes: int = Field(default=67_108_864, ge=100_000)
    """Largest answer in bytes, after decompression; the rest is not read. For a stream, the largest single event."""
    allow_plain_http: bool = False
    """Send the credential unencrypted, over http to another machine. Loopback is always allowed."""

    @field_validator("base_url")
    @classmethod
    def _base_urlis_http(cls, url: str | None) -> str | None:
        return url if url is None else http_url(url)

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        for name, url in (("base_url", self.base_url), ("auth.token_url", self.auth.token_url)):
            if url and not self.allow_plain_http and is_unencrypted(url):
                raise ValueError(
                    f"{name}: http would send the credential in the clear; use https, or set api.allow_plain_http"
                )
        return self
