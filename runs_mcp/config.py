"""The configuration: read once from a file and the environment, checked, and frozen."""

import difflib
import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "RUNS_MCP_"
CONFIG_VARIABLE = "RUNS_MCP_CONFIG"
DEFAULT_FILE = Path("config.json")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Scope = Literal["runs:read", "runs:create"]
"""What callers of the HTTP endpoint may be allowed: to read runs, and to execute them."""


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
    max_response_bytes: int = Field(default=67_108_864, ge=100_000)
    """Largest answer in bytes, after decompression; the rest is not read. For a stream, the largest single event."""
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


class NoAuthSettings(_Section):
    """Anyone who can reach the endpoint may call, which is why it serves loopback only."""

    kind: Literal["none"] = "none"


class BearerAuthSettings(_Section):
    """Callers present a key that `runs-mcp keys add` made for them."""

    kind: Literal["bearer"]
    keys_file: Path
    """Where `runs-mcp keys` keeps the hashes of the keys; read again when it changes."""


class JwtAuthSettings(_Section):
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
    """Scopes that every token has beside its own, for issuers that know nothing of ours."""

    @field_validator("issuer", "resource_url", "jwks_url")
    @classmethod
    def _cannot_be_forged(cls, url: str | None) -> str | None:
        if url is not None and (not _is_http(url) or _in_the_clear(url)):
            raise ValueError("must be an https URL: whoever changes it on its way decides who may call")
        return url

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("give exactly one of jwks_url, jwks_file")
        return self


AuthenticationSettings = Annotated[
    NoAuthSettings | BearerAuthSettings | JwtAuthSettings, Field(discriminator="kind", description="Who may call.")
]


class HttpSettings(_Section):
    """`serve --http`."""

    auth: AuthenticationSettings = NoAuthSettings()
    allowed_hosts: tuple[str, ...] = ()
    """`Host` headers to accept beside loopback's own, e.g. `runs.example.com` or `runs.example.com:*`."""
    allowed_origins: tuple[str, ...] = ()
    """Web pages that may call from a browser, e.g. `https://chat.example.com` or `http://localhost:*`."""
    max_requests: int = Field(default=5_000, ge=1)
    """How many requests, open streams included, one process holds at once; further ones are answered 503."""
    rate_limit: int | None = Field(default=None, ge=1)
    """How many requests a caller may make a minute; further ones are answered 429. Unset: as many as it likes."""
    metrics: str | None = None
    """Address to serve Prometheus metrics at, apart from `/mcp`, e.g. `127.0.0.1:9464`. Unset: none are kept."""
    without_profile: Literal["refuse", "serve"] = "refuse"
    """What becomes of a caller whom no profile names, where there are profiles: `serve` by the settings outside."""

    @field_validator("metrics")
    @classmethod
    def _metrics_is_an_address(cls, address: str | None) -> str | None:
        if address is not None and not _host_and_port(address):
            raise ValueError("must be an address and a port such as 127.0.0.1:9464")
        return address

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """`metrics` as host and port."""
        return _host_and_port(self.metrics) if self.metrics else None


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
    """How many tool calls one process answers at once, in each profile, and how many other requests that ask the API
    for something; further ones are refused, with nothing done."""
    redis_url: SecretStr | None = None
    """Redis where replicas of `serve --http` share what one of them knows, e.g. `redis://redis:6379/0`; `rediss` is
    encrypted. Unset: each is by itself."""
    http: HttpSettings = HttpSettings()

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_one(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis(url.get_secret_value()):
            raise ValueError("must be a URL such as redis://redis:6379/0, rediss://… or unix:///run/redis.sock")
        return url

    @property
    def max_message_bytes(self) -> int:
        """Largest message that is read: JSON may write a character in six bytes that takes two."""
        return 4 * self.max_arguments_bytes


class ProfileSettings(_Section):
    """Callers who are served by settings of their own; what is not given here is as it is outside."""

    callers: tuple[str, ...] = ()
    """Who they are: names of keys, or subjects (`sub`) of JWTs."""
    claims: dict[str, str] = {}
    """Or what their JWTs say: each claim named here must be, or hold, its value, e.g. `{"tenant": "acme"}`."""
    api: ApiSettings = ApiSettings()
    """The Runs API that is fronted for them. A `base_url` or an `edition` needs an `auth` beside it."""
    read_only: bool | None = None
    """As `server.read_only`."""
    tools: tuple[str, ...] | None = None
    """As `server.tools`."""
    rate_limit: int | None = Field(default=None, ge=1)
    """As `server.http.rate_limit`."""

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.callers and not self.claims:
            raise ValueError("names nobody: give callers or claims")
        return self

    @model_validator(mode="after")
    def _credential_stays_where_it_belongs(self) -> Self:
        given = self.api.model_fields_set
        if given & {"base_url", "edition"} and "auth" not in given:
            raise ValueError(
                "api: another API needs an auth of its own, or it would be sent the credential of this one"
            )
        return self


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
    profiles: dict[Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")], ProfileSettings] = {}
    """Callers of `serve --http` with a credential, a project or tools of their own, by a name for each group."""

    @property
    def serves_the_unnamed(self) -> bool:
        """Whether callers are served whom no profile names."""
        return not self.profiles or self.server.http.without_profile == "serve"

    def of(self, profile: str | None) -> Self:
        """The settings by which callers of `profile` are served; None: those whom no profile names."""
        if profile is None:
            return self
        own = self.profiles[profile]
        server = {"read_only": own.read_only, "tools": own.tools}
        return self.model_copy(
            update={
                "api": self.api.model_copy(update={name: getattr(own.api, name) for name in own.api.model_fields_set}),
                "server": self.server.model_copy(update={name: one for name, one in server.items() if one is not None}),
            }
        )

    @model_validator(mode="after")
    def _profiles_tell_callers_apart(self) -> Self:
        kind = self.server.http.auth.kind
        if self.profiles and kind == "none":
            raise ValueError("profiles: server.http.auth.kind is none, so callers have no names; set bearer or jwt")
        if kind != "jwt" and (named := [name for name, one in self.profiles.items() if one.claims]):
            raise ValueError(f"profiles.{named[0]}.claims: only JWTs have claims; server.http.auth.kind is {kind}")
        callers = Counter(caller for one in self.profiles.values() for caller in set(one.callers))
        if twice := [caller for caller, count in callers.items() if count > 1]:
            raise ValueError(f"profiles: {', '.join(twice)}: named by more than one profile")
        return self

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


def _is_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if not _is_http(url) or parts.port == 0:
        raise ValueError("must be an http or https URL such as https://api.vertesia.io/api/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must carry no user, password, query or fragment")
    return url.rstrip("/")


def _is_redis(url: str) -> bool:
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:  # its text would show what may be half a password
        return False
    return parts.scheme in ("redis", "rediss", "unix")


def _host_and_port(address: str) -> tuple[str, int] | None:
    parts = urlsplit(f"//{address}")
    try:
        port = parts.port
    except ValueError:
        return None
    return None if parts.hostname is None or port is None else (parts.hostname, port)


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
        if name.startswith(ENV_PREFIX) and not any(fnmatchcase(name.upper(), one) for one in known):
            raise ConfigError(f"Unknown environment variable {name}.{_nearest(name, known)}")


def _variables(annotation: Any, prefix: str) -> Iterator[str]:
    """The variables that set what is of this type; a `*` stands for a name that the user chooses."""
    if get_origin(annotation) is dict:
        yield from _variables(get_args(annotation)[1], f"{prefix}*__")
    for section in _sections(annotation):
        for name, field in section.model_fields.items():
            yield f"{prefix}{name.upper()}"
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__")


def _sections(annotation: Any) -> list[type[BaseModel]]:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [one for one in options if isinstance(one, type) and issubclass(one, BaseModel)]


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        path, known = _place(problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key.{_nearest(path[-1], known)}"
        elif problem["type"].startswith("union_tag"):
            message = f"kind must be one of {', '.join(sorted(known))}"
        yield f"{'.'.join(path)}: {message}" if path else message


def _place(location: Iterable[int | str]) -> tuple[list[str], set[str]]:
    """Where a problem is, as the file spells it, and the keys that are known there; or the kinds, of several."""
    path: list[str] = []
    known: set[str] = set()
    here: Any = Config
    for part in map(str, location):
        if kinds := _kinds(here):  # pydantic says which of several sections by its kind, which is no key
            here = kinds[part]
            continue
        path.append(part)
        if get_origin(here) is dict:
            here = get_args(here)[1]
        elif sections := _sections(here):
            fields = sections[0].model_fields
            known, here = set(fields), fields[part].annotation if part in fields else None
    return path, set(_kinds(here)) or known


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """The sections of which one may stand here, where there are several."""
    sections = _sections(annotation)
    return {get_args(one.model_fields["kind"].annotation)[0]: one for one in sections} if len(sections) > 1 else {}


def _nearest(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.lower(), [one.lower() for one in known], n=1, cutoff=0.5)
    match = next((one for one in known if near and one.lower() == near[0]), None)
    return f" Did you mean {match}?" if match else f" Known here: {', '.join(sorted(known))}."
