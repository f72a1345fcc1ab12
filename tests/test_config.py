"""The configuration: a file, the environment, which overrides the file, and a complete example."""

import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from docs.generate.settings import sections
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.config.load import PATHS, load
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from tests import ROOT

EXAMPLE = ROOT / "config.example.json"
KEYS = {"kind": "bearer", "keys_file": "keys.json"}
TOKENS = {"kind": "jwt", "issuer": "https://a.b", "resource_url": "https://c.d/mcp", "jwks_url": "https://a.b/jwks"}
ANOTHER = {"base_url": "https://runs.example.com/api/v1"}


def written(folder: Path, settings: Any) -> Path:
    file = folder / "settings.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    return file


def names(settings: dict[str, Any]) -> set[str]:
    """The names of all settings, dotted."""
    inner = {f"{name}.{one}" for name, value in settings.items() if isinstance(value, dict) for one in names(value)}
    return set(settings) | inner


def test_the_example_is_valid_and_holds_every_setting() -> None:
    example = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    load(EXAMPLE)
    secrets = {f"api.auth.{name}" for name in ("value", "file", "command", "token_url")}
    assert names(example) == names(Config().model_dump()) - secrets


def test_the_example_equals_the_defaults() -> None:
    example = load(EXAMPLE).model_dump(exclude={"api": {"base_url"}})
    assert example == Config().model_dump(exclude={"api": {"base_url"}})


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, {"api": {"edition": "composable", "timeout_s": 5}})
    monkeypatch.setenv("RUNS_MCP_API__EDITION", "vertesia")
    monkeypatch.setenv("RUNS_MCP_SERVER__READ_ONLY", "true")
    monkeypatch.setenv("RUNS_MCP_SERVER__TOOLS", '["get_run"]')
    config = load(file)
    assert (config.api.edition, config.api.timeout_s) == ("vertesia", 5)
    assert (config.server.read_only, config.server.tools) == (True, ("get_run",))


def test_a_variable_that_is_empty_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, {"api": {"edition": "vertesia", "project": "p1"}})
    for setting in ("CONFIG", "LOG_LEVEL", "API__EDITION", "API__PROJECT", "API__AUTH__VALUE", "SERVER__READ_ONLY"):
        monkeypatch.setenv(f"RUNS_MCP_{setting}", "")
    assert load(file) == Config(api=ApiSettings(edition="vertesia", project="p1"))


@pytest.mark.parametrize(
    ("auth", "kind"),
    [
        pytest.param({"value": "sk-1"}, "api_key", id="a key"),
        pytest.param({"value": "pk-1"}, "api_key", id="a public key"),
        pytest.param({"value": "eyJ.x.y"}, "token", id="a token"),
        pytest.param({"value": "sk-1", "kind": "token"}, "token", id="as it was said"),
        pytest.param({"env": "sk-1"}, "token", id="the name of a variable"),
    ],
)
def test_a_value_with_the_prefix_of_keys_is_a_key(auth: dict[str, str], kind: str) -> None:
    assert ApiSettings.model_validate({"auth": auth}).auth.kind == kind


def test_a_file_is_found_by_variable_or_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load().log_level == "info"
    (tmp_path / "config.json").write_text('{"log_level": "error"}', encoding="utf-8")
    assert load().log_level == "error"
    monkeypatch.setenv("RUNS_MCP_CONFIG", str(written(tmp_path, {"log_level": "debug"})))
    assert load().log_level == "debug"


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"log_level": "error"}', encoding="utf-8-sig")
    assert load(file).log_level == "error"


@pytest.mark.parametrize(
    ("variable", "value", "setting", "read"),
    [
        pytest.param("SERVER__HTTP__ALLOWED_HOSTS", "a.b", "server.http.allowed_hosts", ("a.b",), id="value"),
        pytest.param("SERVER__TOOLS", "get_run, list_runs", "server.tools", ("get_run", "list_runs"), id="commas"),
        pytest.param("LOG_LEVEL", "INFO", "log_level", "info", id="upper case"),
        pytest.param("API__EDITION", "Vertesia", "api.edition", "vertesia", id="mixed case"),
        pytest.param("API__BASE_URL", " https://a.b/v1 ", "api.base_url", "https://a.b/v1", id="white space"),
    ],
)
def test_values_of_variables_are_read_as_people_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, setting: str, read: object
) -> None:
    monkeypatch.setenv(f"RUNS_MCP_{variable}", value)
    assert attrgetter(setting)(load(written(tmp_path, {}))) == read


@pytest.mark.parametrize(("encoding", "says"), [("utf-16", "is UTF-16"), ("latin-1", "is not UTF-8")])
def test_another_encoding_is_named(tmp_path: Path, encoding: str, says: str) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"api": {"project": "caf\u00e9"}}', encoding=encoding)
    with pytest.raises(ConfigError, match=says):
        load(file)


def test_every_setting_that_is_a_path_starts_at_the_file(tmp_path: Path) -> None:
    declared = {".".join(path) for path in PATHS}
    schema = {setting.path for section in sections() for setting in section.settings if setting.type == "path"}
    assert declared | {"profiles.*.api.auth.file"} == schema | {"profiles.*.api.auth.file"}
    config = load(written(tmp_path, {"api": {"auth": {"file": "secret"}}}))
    assert config.api.auth.file == tmp_path / "secret"


def test_a_tilde_in_a_path_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    written(tmp_path, {"api": {"auth": {"file": "~/secret"}}, "server": auth(kind="bearer", keys_file="~/keys.json")})
    monkeypatch.setenv("RUNS_MCP_CONFIG", "~/settings.json")
    config = load()
    assert config.api.auth.file == tmp_path / "secret"
    assert config.server.http.auth == BearerAuthSettings(kind="bearer", keys_file=tmp_path / "keys.json")
    monkeypatch.setenv("RUNS_MCP_API__AUTH__FILE", "~/another")
    assert load(Path("~/settings.json")).api.auth.file == tmp_path / "another"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"servr": {}}, "servr: unknown key. Did you mean server?", id="section"),
        pytest.param({"streaming": {"flush": 1}}, "streaming.flush: unknown key. Did you mean flush_ms?", id="key"),
        pytest.param(
            {"api": {"auth": {"token": "x"}}}, "api.auth.token: unknown key. Valid: command, env", id="no key"
        ),
        pytest.param({"streaming": {"max_wait_s": 0}}, "streaming.max_wait_s: Input should be", id="range"),
        pytest.param({"streaming": []}, "streaming: Input should be a JSON object", id="no object"),
        pytest.param({"server": {"tools": 1}}, "server.tools: Input should be a list: JSON such as", id="no list"),
        pytest.param({"api": {"auth": {"env": "A", "file": "b"}}}, "(not env and file)", id="two sources"),
        pytest.param({"server": {"http": {"metrics": "9464"}}}, "an address and a port such as", id="no address"),
        pytest.param({"server": {"http": {"metrics": "a:x"}}}, "an address and a port such as", id="no port"),
        pytest.param({"api": {"base_url": "https://u:p@x.example/"}}, "a user, password", id="password in the URL"),
        pytest.param({"server": {"redis_url": "http://h"}}, "redis_url: must be a URL such as redis://", id="no Redis"),
        pytest.param({"server": {"redis_url": "redis://h:x"}}, "must be a URL such as redis://", id="no port of Redis"),
    ],
)
def test_invalid_settings_are_named(tmp_path: Path, settings: Any, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, settings))
    assert says in str(refused.value)


def auth(**settings: Any) -> dict[str, Any]:
    return {"http": {"auth": settings}}


def profiles(kind: dict[str, Any] = KEYS, **named: Any) -> dict[str, Any]:
    return {"server": auth(**kind), "profiles": named}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param(
            {"server": auth(kind="basic")}, "server.http.auth: kind must be one of bearer, jwt, none", id="kind"
        ),
        pytest.param({"server": auth(keys_file="k")}, "server.http.auth: kind must be one of", id="no kind"),
        pytest.param(
            {"server": auth(kind="bearer")}, "server.http.auth.keys_file: this setting is required", id="no keys"
        ),
        pytest.param(
            {"server": auth(kind="bearer", keys_fil="k")},
            "server.http.auth.keys_fil: unknown key. Did you mean keys_file?",
            id="key",
        ),
        pytest.param({"server": auth(**TOKENS | {"issuer": "http://a.b"})}, "auth.issuer: must be an https", id="http"),
        pytest.param({"server": auth(**TOKENS, jwks_file="k")}, "exactly one of jwks_url, jwks_file", id="two sources"),
        pytest.param(
            {"server": auth(**TOKENS, algorithms=["HS256"])}, "auth.algorithms.0: Input", id="a shared secret"
        ),
        pytest.param({"profiles": {"a": {"callers": ["x"]}}}, "server.http.auth.kind is none, so", id="no callers"),
        pytest.param(profiles(a={}), "profiles.a: matches no caller: set callers or claims", id="an empty profile"),
        pytest.param(profiles(A={"callers": ["x"]}), "profiles.A.[key]: String should match", id="name of a profile"),
        pytest.param(profiles(a={"caller": []}), "profiles.a.caller: unknown key. Did you mean callers?", id="inside"),
        pytest.param(
            profiles(a={"callers": ["x"], "api": {"editon": "vertesia"}}),
            "profiles.a.api.editon: unknown key. Did you mean edition?",
            id="deep inside",
        ),
        pytest.param(profiles(a={"callers": ["x"], "api": ANOTHER}), "needs its own auth", id="no credential"),
        pytest.param(
            profiles(a={"claims": {"t": "x"}}), "profiles.a.claims: only JWTs have claims", id="claims of keys"
        ),
        pytest.param(
            profiles(a={"callers": ["x"]}, b={"callers": ["x"]}), "profiles: x: named by more than one", id="twice"
        ),
    ],
)
def test_incomplete_authentication_settings_are_rejected(tmp_path: Path, settings: Any, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, settings))
    assert says in str(refused.value)


def test_authentication_can_be_set_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SERVER__HTTP__AUTH__KIND": "bearer",
        "SERVER__HTTP__AUTH__KEYS_FILE": "keys.json",
        "PROFILES__ACME__CALLERS": '["ci"]',
        "PROFILES__ACME__API__PROJECT": "p1",
        "PROFILES__ACME__API__AUTH__ENV": "ACME_TOKEN",
        "PROFILES__ACME__RATE_LIMIT": "60",
    }.items():
        monkeypatch.setenv(f"RUNS_MCP_{name}", value)
    config = load(written(tmp_path, {"profiles": {"acme": {"read_only": True}}}))
    acme = config.profiles["acme"]
    assert (acme.callers, acme.read_only, acme.rate_limit) == (("ci",), True, 60)
    assert (acme.api.project, acme.api.auth.env) == ("p1", "ACME_TOKEN")
    monkeypatch.setenv("RUNS_MCP_PROFILES__ACME__API__PROJCT", "p1")
    with pytest.raises(ConfigError, match=r"RUNS_MCP_PROFILES__ACME__API__PROJCT\. Did you mean .*__API__PROJECT\?"):
        load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "80"),
        ("SERVICE_PORT_HTTP", "80"),
        ("PORT", "tcp://10.0.0.1:80"),
        ("PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("PORT_80_TCP_PROTO", "tcp"),
        ("PORT_80_TCP_PORT", "80"),
        ("PORT_80_TCP_ADDR", "10.0.0.1"),
        ("CANARY_SERVICE_HOST", "10.0.0.2"),
        ("CANARY_PORT", "tcp://10.0.0.2:80"),
    ],
)
def test_variables_that_kubernetes_sets_for_a_service_are_ignored(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RUNS_MCP_{name}", value)
    assert load(written(tmp_path, {})) == Config()


@pytest.mark.parametrize(("name", "value"), [("PORT", "8000"), ("SERVICE", "x"), ("SERVER_HOST", "x")])
def test_variables_that_resemble_those_of_kubernetes_are_rejected(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RUNS_MCP_{name}", value)
    with pytest.raises(ConfigError, match=f"Unknown environment variable RUNS_MCP_{name}"):
        load(written(tmp_path, {}))


def test_a_profile_changes_only_its_own_settings(tmp_path: Path) -> None:
    settings = profiles(
        own={"callers": ["x"], "api": {"project": "p2", "auth": {"env": "OWN"}}, "tools": ["get_run"]},
        same={"callers": ["y"], "read_only": False},
    )
    settings["api"] = {"edition": "vertesia", "project": "p1", "timeout_s": 5, "auth": {"env": "BASE"}}
    settings["server"] |= {"read_only": True, "create_tag": False}
    config = load(written(tmp_path, settings))
    own, same = config.of("own"), config.of("same")
    assert config.of(None) is config
    assert (own.api.edition, own.api.project, own.api.timeout_s, own.api.auth.env) == ("vertesia", "p2", 5, "OWN")
    assert (own.server.read_only, own.server.tools, own.server.create_tag) == (True, ("get_run",), False)
    assert same.api == config.api
    assert (same.server.read_only, same.server.tools) == (False, None)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8090/api/v1", "http://127.0.0.2", "http://localhost:1", "http://[::1]:1", "https://a.b"],
)
def test_plain_http_may_go_to_this_machine(url: str) -> None:
    assert ApiSettings(base_url=url).base_url == url


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://runs.example.com/api/v1"},
        {"base_url": "http://127.0.0.1.example.com/api/v1"},
        {"base_url": "http://runs.localhost/api/v1"},
        {"base_url": "http://10.0.0.7/api/v1"},
        {"auth": {"value": "x", "token_url": "http://sts.example.com/token"}},
    ],
)
def test_plain_http_to_another_machine_must_be_allowed(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="unencrypted"):
        ApiSettings.model_validate(settings)
    assert ApiSettings.model_validate({**settings, "allow_plain_http": True}).allow_plain_http
