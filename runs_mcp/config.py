"""The configuration: read once from a file and the environment, checked, and frozen."""

import difflib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "RUNS_MCP_"
CONFIG_VARIABLE = "RUNS_MCP_CONFIG"
DEFAULT_FILE = Path("config.json")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ConfigError(Exception):
    """The configuration cannot be used; the text says which setting, why, and what would do."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


class AuthSettings(_Section):
    """Where the credential for the Runs API comes from: exactly one of `value`, `env`, `file`, `command`."""

    kind: Literal["token", "api_key"] = "token"
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
        """Whether there is a secret: not where it is in an environment variable that is unset or empty."""
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
    def _token_url_is_http(cls, url: str | None) -> str | None:
        return url if url is None else _http_url(url)


class ApiSettings(_Section):
    """The Runs API that is fronted."""

    base_url: str | None = None
    """Base URL up to and including `/api/v1`. Unset: the edition's own."""
    edition: Literal["composable", "vertesia"] = "composable"
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
    """How many requests may be under way at once, streams apart; further ones wait their turn."""
    allow_plain_http: bool = False
    """Send the credential unencrypted, over http to another machine. Loopback is always allowed."""

    @field_validator("base_url")
    @classmethod
    def _base_url_is_http(cls, url: str | None) -> str | None:
        return url if url is None else _http_url(url)

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        for name, url in (("base_url", self.base_url), ("auth.token_url", self.auth.token_url)):
            if url and not self.allow_plain_http and _in_the_clear(url):
                raise ValueError(
                    f"{name}: http would send the credential in the clear; use https, or set api.allow_plain_http"
                )
        return self


class HttpAuthSettings(_Section):
    """Who may call the HTTP endpoint."""

    kind: Literal["none"] = "none"
    """`none`: anyone who can reach it, which is why it serves loopback only."""


class HttpSettings(_Section):
    """`serve --http`."""

    auth: HttpAuthSettings = HttpAuthSettings()
    allowed_hosts: tuple[str, ...] = ()
    """`Host` headers to accept beside loopback's own, e.g. `runs.example.com` or `runs.example.com:*`."""


class ServerSettings(_Section):
    """What the MCP server offers."""

    read_only: bool = False
    """Offer no tool that changes anything: no `create_run`."""
    tools: tuple[str, ...] | None = None
    """Offer only the tools named here. Unset: all."""
    create_tag: bool = True
    """Give each run that is created a unique tag `runs-mcp:…`, by which it is found when the answer is lost."""
    confirm_create: bool = False
    """Have a person confirm each `create_run`, by elicitation. Clients that cannot ask cannot create."""
    max_result_chars: int = Field(default=20_000, ge=1_000)
    """Longest answer of `get_run` in characters; larger fields are cut, and linked to as resources."""
    max_arguments_bytes: int = Field(default=2_000_000, ge=10_000)
    """Largest arguments of a call, as JSON. A message of four times as much is not read at all."""
    max_calls: int = Field(default=2_000, ge=1)
    """How many tool calls one process answers at once; further ones are refused, and have done nothing."""
    http: HttpSettings = HttpSettings()

    @property
    def max_message_bytes(self) -> int:
        """Largest message that is read: JSON may write a character in six bytes that takes two."""
        return 4 * self.max_arguments_bytes


class StreamingSettings(_Section):
    """How what a run writes reaches the client."""

    flush_ms: float = Field(default=50, ge=0)
    """Chunks that arrive within this many milliseconds are joined into one notification."""
    heartbeat_s: float = Field(default=10, gt=0)
    """Seconds without output after which a heartbeat goes out."""
    max_wait_s: float = Field(default=45, gt=0)
    """Seconds after which a waiting call answers with the run still going. Many clients give up at 60."""
    stall_s: float = Field(default=30, gt=0)
    """Seconds of silence in a stream after which its run is looked at, since it may have ended unsaid."""
    token_in_query: bool = False
    """Authenticate streams by the `access_token` query parameter instead of the Authorization header."""


class Config(BaseSettings):
    """Everything runs-mcp can be told. The environment wins over the file; a variable that is empty is not set."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged to stderr."""
    api: ApiSettings = ApiSettings()
    server: ServerSettings = ServerSettings()
    streaming: StreamingSettings = StreamingSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load(path: Path | None = None) -> Config:
    """The configuration from `path`, else `$RUNS_MCP_CONFIG`, else `./config.json` if it is there, and the environment.

    Raises:
        ConfigError: a file that cannot be read or is not JSON, an unknown key or variable, a value that does not fit.
    """
    file = file_in_use(path)
    settings = _read(file) if file else {}
    _refuse_unknown_variables(os.environ)
    try:
        return Config(**settings)
    except ValidationError as error:
        where = f"{file} or the environment" if file else "The environment"
        raise ConfigError("\n".join([f"{where} has an unusable setting.", *_problems(error)])) from None


def file_in_use(path: Path | None = None) -> Path | None:
    """The file that `load` reads: `path`, else `$RUNS_MCP_CONFIG`, else `./config.json` if it is there."""
    if path:
        return path
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def json_schema() -> dict[str, Any]:
    """The JSON schema of the configuration file."""
    return Config.model_json_schema()


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("must be an http or https URL such as https://api.vertesia.io/api/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must carry no user, password, query or fragment")
    return url.rstrip("/")


def _in_the_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK


def _read(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: {error}.") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"{file} must hold a JSON object.")
    settings.pop("$schema", None)
    return settings


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {CONFIG_VARIABLE, *_variables(Config, ENV_PREFIX)}
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX) and name.upper() not in known:
            raise ConfigError(f"Unknown environment variable {name}.{_nearest(name, known)}")


def _variables(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        yield variable
        if inner := _section(field.annotation):
            yield from _variables(inner, f"{variable}__")


def _section(annotation: Any) -> type[BaseModel] | None:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((one for one in options if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in problem["loc"]]
        if problem["type"] == "extra_forbidden":
            yield f"{'.'.join(path)}: unknown key.{_nearest(path[-1], _keys(path[:-1]))}"
        else:
            yield f"{'.'.join(path)}: {problem['msg'].removeprefix('Value error, ')}"


def _keys(path: list[str]) -> set[str]:
    section: type[BaseModel] = Config
    for name in path:
        section = _section(section.model_fields[name].annotation) or section
    return set(section.model_fields)


def _nearest(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.lower(), [one.lower() for one in known], n=1, cutoff=0.5)
    match = next((one for one in known if near and one.lower() == near[0]), None)
    return f" Did you mean {match}?" if match else f" Known here: {', '.join(sorted(known))}."
