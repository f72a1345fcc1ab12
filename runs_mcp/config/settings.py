"""The models of all settings."""

import re
from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from runs_mcp.config.addresses import is_redis
from runs_mcp.config.api_settings import AnyCase, ApiSettings, Section
from runs_mcp.config.environment import EnvironmentSource
from runs_mcp.config.http_settings import HttpSettings

ENV_PREFIX = "RUNS_MCP_"
PERSONAL_DATA = ("email", "phone", "iban", "card")
"""Kinds of personal data that `server.redact` names."""


class InteractionToolSettings(Section):
    """Tools for single interactions, `run_NAME`, whose arguments are the input of the interaction."""

    include: tuple[str, ...] = ()
    """Interactions to offer as tools: names, ids, `tag:NAME`, or patterns such as `Translate*`; `*` for all.
    Empty: none."""
    exclude: tuple[str, ...] = ()
    """Interactions to leave out, in the same form."""
    limit: int = Field(default=20, ge=1, le=200)
    """Most tools to offer; of more interactions, those with the most runs."""
    refresh_s: float = Field(default=300, gt=0)
    """Seconds after which the interactions are read again; clients are notified of changes."""


class ServerSettings(Section):
    """Settings of the MCP server."""

    read_only: bool = False
    """Offer no tool that changes anything: no `create_run`."""
    tools: tuple[str, ...] | None = None
    """Offer only the tools named here. Unset: all."""
    create_tag: bool = True
    """Give each run that is created a unique tag `runs-mcp:…`, by which it is found when the answer is lost."""
    confirm_create: bool = False
    """Have a person confirm each `create_run`, by elicitation. Clients that cannot ask cannot create."""
    interaction_tools: InteractionToolSettings = InteractionToolSettings()
    content: Literal["full", "none"] = "full"
    """`none`: no tool, resource, page or progress message shows prompts, parameters, results or error messages of runs;
    ids, status, times, tokens and error codes remain. Conditions on content are rejected."""
    redact: tuple[str, ...] = ()
    """Personal data to replace in content: `email`, `phone`, `iban`, `card`, or RE2 expressions such as
    `/EMP-[0-9]{6}/`, which find matches of up to 256 characters in a text that is still being written."""
    listed_runs: int = Field(default=500, ge=1)
    """Most runs in `resources/list`, newest first. Some clients read every page; every run can be read by its id."""
    max_result_chars: int = Field(default=20_000, ge=1_000)
    """Longest answer of `get_run` in characters; larger fields are cut, and linked to as resources."""
    max_scan: int = Field(default=20_000, ge=1)
    """Most runs that `aggregate_runs`, or a sorted search, reads in one call if the API cannot count or sort them."""
    max_arguments_bytes: int = Field(default=2_000_000, ge=10_000)
    """Largest arguments of a call, as JSON. A message of four times as much is not read at all."""
    max_calls: int = Field(default=2_000, ge=1)
    """How many tool calls one process answers at once, in each profile, and how many other requests that ask the API
    for something; further calls are refused, with nothing done."""
    redis_url: SecretStr | None = None
    """Redis where replicas of `serve --http` share what one of them knows, e.g. `redis://redis:6379/0`; `rediss` is
    encrypted. Unset: replicas share nothing."""
    http: HttpSettings = HttpSettings()

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_one(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_redis(url.get_secret_value()):
            raise ValueError("must be a URL such as redis://redis:6379/0, rediss://… or unix:///run/redis.sock")
        return url

    @field_validator("redact")
    @classmethod
    def _redact_names_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in PERSONAL_DATA and not re.fullmatch("/.+/", kind, re.DOTALL):
                raise ValueError(f"{kind!r}: use {', '.join(PERSONAL_DATA)}, or an expression such as /EMP-[0-9]{{6}}/")
        return kinds

    @property
    def max_message_bytes(self) -> int:
        """Largest message that is read: JSON may write a character in six bytes that takes two."""
        return 4 * self.max_arguments_bytes


class ProfileSettings(Section):
    """Callers who are served by settings of their own; what is not given here is as it is outside."""

    callers: tuple[str, ...] = ()
    """Who they are: names of keys, or subjects (`sub`) of JWTs."""
    claims: dict[str, str] = Field(default_factory=dict)
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


class StreamingSettings(Section):
    """Settings of the text that a run streams to the client."""

    flush_ms: float = Field(default=50, ge=0)
    """Chunks that arrive within this many milliseconds are joined into one notification."""
    heartbeat_s: float = Field(default=10, gt=0)
    """Seconds without output after which a heartbeat goes out."""
    max_wait_s: float = Field(default=45, gt=0)
    """Seconds after which a waiting call answers with the run still going. Many clients give up at 60."""
    stall_s: float = Field(default=30, gt=0)
    """Seconds of silence in a stream after which its run is polled, since it may have ended unnoticed."""
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
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )

    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = "info"
    """What is logged to stderr."""
    api: ApiSettings = ApiSettings()
    server: ServerSettings = ServerSettings()
    streaming: StreamingSettings = StreamingSettings()
    profiles: dict[Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")], ProfileSettings] = {}
    """Callers of `serve --http` with a credential, a project or tools of their own, by a name for each group."""

    @property
    def serves_the_unnamed(self) -> bool:
        """True if callers that no profile names are served."""
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
        del env_settings, dotenv_settings, file_secret_settings
        return EnvironmentSource(settings_cls), init_settings
