"""The models of all settings."""

import re
from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from runs_mcp.config.addresses import is_redis
from runs_mcp.config.api_settings import AnyCase, ApiSettings, Section
from runs_mcp.config.environment import EnvironmentSource
from runs_mcp.config.http_settings import HttpSettings

ENV_PREFIX = "RUNS_MCP_"
PERSONAL_DATA = ("email", "phone", "iban", "card")
"""Kinds of personal data that `server.redact` names."""


class InteractionToolSettings(Section):
    """Tools for single interactions, `run_NAME`, whose arguments are the input of the interaction."""

    include: tuple[str, ...] = Field(
        default=(),
        description=(
            "Interactions to publish as tools: names, ids, `tag:NAME`, or patterns such as `Translate*`; `*` for all. "
            "Empty by default."
        ),
    )
    exclude: tuple[str, ...] = Field(default=(), description="Interactions to leave out, in the same form.")
    limit: int = Field(
        default=20,
        ge=1,
        le=200,
        description="Maximum number of tools. If more interactions match, those with the most runs are published.",
    )
    refresh_s: float = Field(
        default=300,
        gt=0,
        description="Interval, in seconds, at which the interactions are reloaded; clients are notified of changes.",
    )


class CreateLimitSettings(Section):
    """Maximum number of runs that callers may start: created, alone or in batches, or started by following them."""

    per_hour: int | None = Field(
        default=None,
        ge=1,
        description=(
            "Maximum number of runs in any 60 minutes, for all callers of a profile together. Unset: unlimited."
        ),
    )
    per_day: int | None = Field(
        default=None,
        ge=1,
        description="Maximum number of runs in any 24 hours, for all callers of a profile together. Unset: unlimited.",
    )


class ServerSettings(Section):
    """Settings of the MCP server."""

    read_only: bool = Field(
        default=False,
        description=(
            "Publish only tools that change nothing, which excludes `create_run` and the tools of "
            "`server.interaction_tools` and `server.manage`."
        ),
    )
    manage: bool = Field(
        default=False,
        description="Publish `update_run`, which changes tags, and `delete_runs`. Only with the edition `vertesia`.",
    )
    tools: tuple[str, ...] | None = Field(
        default=None,
        description=(
            "Names of the tools to publish. All by default. Tools of `server.interaction_tools` are not affected."
        ),
    )
    create_tag: bool = Field(
        default=True,
        description=(
            "Add a unique tag `runs-mcp:…` to each created run, which is used to find the run if the response is lost."
        ),
    )
    confirm_create: bool = Field(
        default=False,
        description=(
            "Ask a person, by elicitation, to confirm each call that creates or starts runs. Clients without "
            "elicitation cannot make such calls."
        ),
    )
    create_limit: CreateLimitSettings = CreateLimitSettings()
    repeat_s: float = Field(
        default=60,
        ge=0,
        description=(
            "Seconds after a call that creates runs was cut off (the client timed out, cancelled or disconnected) "
            "within which the same call by the same session gets the same runs. 0: every call creates new runs."
        ),
    )
    interaction_tools: InteractionToolSettings = InteractionToolSettings()
    content: Literal["full", "none"] = Field(
        default="full",
        description=(
            "`none`: no tool, resource, page or progress message shows prompts, parameters, results or error messages "
            "of runs; ids, status, times, tokens and error codes remain. Conditions on content are rejected."
        ),
    )
    redact: tuple[str, ...] = Field(
        default=(),
        description=(
            "Personal data to replace in content: `email`, `phone`, `iban`, `card`, or RE2 expressions such as "
            "`/EMP-[0-9]{6}/`, which find matches of up to 256 characters in a text that is still being written."
        ),
    )
    listed_runs: int = Field(
        default=500,
        ge=1,
        description=(
            "Maximum number of runs in `resources/list`, most recently updated first. Some clients read every page; "
            "every run can be read by its id."
        ),
    )
    max_result_chars: int = Field(
        default=20_000,
        ge=1_000,
        description=(
            "Approximate maximum length of the runs in a result, in characters; longer fields are cut, and can be read "
            "whole as resources."
        ),
    )
    max_scan: int = Field(
        default=20_000,
        ge=1,
        description=(
            "Maximum number of runs that `aggregate_runs`, `compute_run_facets` or a sorted search reads in one call, "
            "if the API cannot count or sort them."
        ),
    )
    max_arguments_bytes: int = Field(
        default=2_000_000,
        ge=10_000,
        description=(
            "Maximum size of the arguments of a call, as JSON. A message of more than four times this size is not read."
        ),
    )
    max_calls: int = Field(
        default=2_000,
        ge=1,
        description=(
            "Maximum number of concurrent tool calls per process and profile, and likewise of other requests that "
            "call the API; further calls are refused and change nothing."
        ),
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description=(
            "Redis in which replicas of `serve --http` share state, e.g. `redis://redis:6379/0`; `rediss` encrypts "
            "the connection. Unset: replicas share nothing."
        ),
    )
    http: HttpSettings = HttpSettings()

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_valid(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_redis(url.get_secret_value()):
            raise ValueError(
                "must be a URL such as redis://redis:6379/0, rediss://… or unix:///run/redis.sock; in a password, "
                "percent-encode characters other than letters and digits"
            )
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
        """Maximum size of a message in bytes. JSON can escape a two-byte character with six bytes."""
        return 4 * self.max_arguments_bytes


class ProfileSettings(Section):
    """Settings for a group of callers; unset settings are inherited from outside the profile."""

    callers: tuple[str, ...] = Field(
        default=(),
        description="Callers by the name of their key, or the subject (`sub`) of their JWT.",
    )
    claims: dict[str, str] = Field(
        default_factory=dict,
        description=(
            'Callers by the claims of their JWT: each claim must equal or contain its value, e.g. `{"tenant": "acme"}`.'
        ),
    )
    api: ApiSettings = Field(
        default=ApiSettings(),
        description="The Runs API for these callers. Setting `base_url` or `edition` also requires `auth`.",
    )
    read_only: bool | None = Field(default=None, description="See `server.read_only`.")
    manage: bool | None = Field(default=None, description="See `server.manage`.")
    tools: tuple[str, ...] | None = Field(default=None, description="See `server.tools`.")
    create_limit: CreateLimitSettings | None = Field(
        default=None, description="Maximum number of runs that these callers may start."
    )
    rate_limit: int | None = Field(default=None, ge=1, description="See `server.http.rate_limit`.")

    @model_validator(mode="after")
    def _matches_callers(self) -> Self:
        if not self.callers and not self.claims:
            raise ValueError("matches no caller: set callers or claims")
        return self

    @model_validator(mode="after")
    def _other_api_has_own_auth(self) -> Self:
        own = self.api.model_fields_set
        if own & {"base_url", "edition"} and "auth" not in own:
            raise ValueError(
                "api: a profile with a base_url or edition needs its own auth: the shared credential is for another API"
            )
        return self


class StreamingSettings(Section):
    """Settings of the text that runs stream to clients."""

    flush_ms: float = Field(
        default=50,
        ge=0,
        description="Interval, in milliseconds, within which chunks are joined into one notification.",
    )
    heartbeat_s: float = Field(default=10, gt=0, description="Seconds without output after which a heartbeat is sent.")
    max_wait_s: float = Field(
        default=45,
        gt=0,
        description=(
            "Seconds after which a waiting call returns while its run continues. Many clients time out after 60 s."
        ),
    )
    clients: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description=(
            "`max_wait_s` by client name, for calls that wait for runs or read many runs, e.g. "
            '`{"openai-agents*": 4}`. Patterns ignore case, and the first match counts. Clients that give up early '
            "have built-in values, which an entry replaces."
        ),
    )
    stall_s: float = Field(
        default=30,
        gt=0,
        description=(
            "Seconds without an event after which the run of a stream is polled, because it may have ended unnoticed."
        ),
    )
    token_in_query: bool = Field(
        default=False,
        description="Authenticate streams by the `access_token` query parameter instead of the Authorization header.",
    )


class Config(BaseSettings):
    """The configuration. Environment variables override the file; an empty variable counts as unset."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = Field(
        default="info",
        description="Lowest level of log lines on stderr.",
    )
    api: ApiSettings = ApiSettings()
    server: ServerSettings = ServerSettings()
    streaming: StreamingSettings = StreamingSettings()
    profiles: dict[Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")], ProfileSettings] = Field(
        default={},
        description="Groups of callers of `serve --http` with their own credential, project or tools, by name.",
    )

    @property
    def manages(self) -> bool:
        """True if some callers are offered the tools of `server.manage`."""
        servers = [self.of(profile).server for profile in (None, *self.profiles)]
        return any(server.manage and not server.read_only for server in servers)

    @property
    def serves_unmatched_callers(self) -> bool:
        """True if callers that match no profile are served."""
        return not self.profiles or self.server.http.without_profile == "serve"

    def of(self, profile: str | None) -> Self:
        """Return the settings for callers of `profile`; None selects callers that match no profile.

        Raises:
            KeyError: the configuration has no such profile.
        """
        if profile is None:
            return self
        own = self.profiles[profile]
        server = {name: getattr(own, name) for name in ("read_only", "manage", "tools", "create_limit")}
        server = {name: value for name, value in server.items() if value is not None}
        return self.model_copy(
            update={
                # Only what the profile sets: its other fields hold defaults, which must not hide the shared settings.
                "api": self.api.model_copy(update={name: getattr(own.api, name) for name in own.api.model_fields_set}),
                "server": self.server.model_copy(update=server),
            }
        )

    @model_validator(mode="after")
    def _profiles_are_disjoint(self) -> Self:
        kind = self.server.http.auth.kind
        if self.profiles and kind == "none":
            raise ValueError("profiles: server.http.auth.kind is none, so callers have no names; set bearer or jwt")
        if kind != "jwt" and (named := [name for name, profile in self.profiles.items() if profile.claims]):
            raise ValueError(f"profiles.{named[0]}.claims: only JWTs have claims; server.http.auth.kind is {kind}")
        callers = Counter(caller for profile in self.profiles.values() for caller in set(profile.callers))
        if ambiguous := [caller for caller, count in callers.items() if count > 1]:
            raise ValueError(f"profiles: {', '.join(ambiguous)}: named by more than one profile")
        return self

    @override
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
        # By default pydantic-settings prefers arguments, which are the file here, to the environment.
        return EnvironmentSource(settings_cls), init_settings
