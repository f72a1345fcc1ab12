"""API keys: in both protocol eras, only callers with a valid key are admitted."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult, InputRequiredResult, InputResponses

from runs_mcp.config.http_settings import Scope
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.http.app import PATH, build_service
from runs_mcp.http.auth import keys
from runs_mcp.http.auth.reloaded_file import ReloadedFile
from tests.calls import call
from tests.clients.processes import SERVE, http_process
from tests.http.service import ACCEPT, PING, Endpoint, bearer, connected, running
from tests.http_client import http_client

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

READ: tuple[Scope, ...] = ("runs:read",)


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """Return the path of the file of keys."""
    return tmp_path / "keys.json"


@pytest.fixture
def guarded(config: Config, keys_file: Path) -> Config:
    """A configuration that requires keys."""
    auth = {"kind": "bearer", "keys_file": keys_file}
    return Config.model_validate({**dict(config), "server": {"http": {"auth": auth}}})


async def test_a_caller_with_a_key_is_served(guarded: Config, keys_file: Path, mode: str) -> None:
    key = keys.add(keys_file, "ci", READ)
    async with running(guarded) as at, connected(at, mode, bearer(key)) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert len((await call(client, "list_runs", limit=3)).structured["runs"]) == 3


async def test_a_request_without_a_key_is_a_401(guarded: Config, keys_file: Path) -> None:
    keys.add(keys_file, "ci", READ)
    async with running(guarded) as at:
        refused = await at.ping()
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer scope="runs:create runs:read"'
        assert refused.json() == {"error": "unauthorized", "error_description": "Authentication is required"}


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param("Bearer rmk_wrong", id="another key"),
        pytest.param("Bearer {key}x", id="more than the key"),
        pytest.param("Bearer {hash}", id="what the file holds"),
        pytest.param("Bearer \xff", id="no ASCII"),
    ],
)
async def test_an_invalid_key_is_a_401(guarded: Config, keys_file: Path, credentials: str) -> None:
    key = keys.add(keys_file, "ci", READ)
    presented = credentials.format(key=key, hash=keys.hashed(key))
    async with running(guarded) as at:
        refused = await at.ping(authorization=presented)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="')


@pytest.mark.parametrize("credentials", ["{key}", "Basic {key}", "Bearer"])
async def test_a_key_without_its_scheme_is_a_401_that_names_the_scheme(
    guarded: Config, keys_file: Path, credentials: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = keys.add(keys_file, "ci", READ)
    with caplog.at_level("INFO"):
        async with running(guarded) as at:
            refused = await at.ping(authorization=credentials.format(key=key))
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer scope="runs:create runs:read"'
    assert refused.json()["error_description"] == "The Authorization header needs `Bearer ` before the key or JWT"
    assert "the Authorization header does not begin with Bearer" in caplog.text
    assert key not in caplog.text


async def test_a_key_in_the_url_is_ignored(guarded: Config, keys_file: Path) -> None:
    key = keys.add(keys_file, "ci", READ)
    async with running(guarded) as at:
        assert (await at.http.post(f"{at.endpoint}?access_token={key}", json=PING, headers=ACCEPT)).status_code == 401


async def test_keys_can_be_added_and_removed_while_the_server_runs(guarded: Config, keys_file: Path, mode: str) -> None:
    first = keys.add(keys_file, "first", READ)
    async with running(guarded) as at, connected(at, mode, bearer(first)) as client:
        second = keys.add(keys_file, "second", READ)
        async with connected(at, mode, bearer(second)) as another:
            assert not (await call(another, "list_runs")).failed
        keys.remove(keys_file, "first")
        with pytest.raises(MCPError):
            await call(client, "list_runs")
        assert (await at.ping(**bearer(first))).status_code == 401
        keys.add(keys_file, "first", READ)
        assert (await at.ping(**bearer(first))).status_code == 401, "a new key with the same name is another key"


async def test_no_caller_is_served_while_the_keys_file_is_unreadable(guarded: Config, keys_file: Path) -> None:
    key = keys.add(keys_file, "ci", READ)
    file = anyio.Path(keys_file)
    good = await file.read_bytes()
    async with running(guarded) as at:
        for bad in (b"{", b'{"keys": [{"name": "ci"}]}', b"[]"):
            await file.write_bytes(bad)
            assert (await at.ping(**bearer(key))).status_code == 401
        await file.unlink()
        assert (await at.ping(**bearer(key))).status_code == 401
        await file.write_bytes(good)
        async with connected(at, headers=bearer(key)) as client:
            assert not (await call(client, "list_runs")).failed


def test_a_file_that_becomes_readable_is_read_although_it_did_not_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys.json"
    readable = True

    def read(of: Path) -> str:
        if not readable:  # root could read the file in spite of its mode
            raise ConfigError(f"{of} cannot be read.")
        return of.read_text(encoding="utf-8")

    file.write_text("first", encoding="utf-8")
    reloaded = ReloadedFile[str](file, read, empty="")
    readable = False
    file.write_text("second", encoding="utf-8")
    assert [reloaded.current() for _ in range(3)] == [""] * 3
    readable = True
    assert reloaded.current() == "second"
    assert caplog.text.count("No caller is admitted until the file can be read") == 1


async def test_a_key_is_valid_until_it_expires(guarded: Config, keys_file: Path) -> None:
    key = keys.add(keys_file, "ci", READ, days=1)
    [kept] = keys.read(keys_file)
    assert kept.expires == kept.created + timedelta(days=1)
    async with running(guarded) as at:
        async with connected(at, headers=bearer(key)) as client:
            assert not (await call(client, "list_runs")).failed
        over = kept.model_copy(update={"expires": datetime.now(UTC)}).model_dump(mode="json")
        await anyio.Path(keys_file).write_text(json.dumps({"keys": [over]}), encoding="utf-8")
        assert (await at.ping(**bearer(key))).status_code == 401


async def test_an_old_key_stays_valid_during_an_overlap(guarded: Config, keys_file: Path) -> None:
    old = keys.add(keys_file, "ci", READ)
    new = keys.add(keys_file, "ci", READ, overlap_hours=24)
    async with running(guarded) as at:
        for key in (old, new):
            async with connected(at, headers=bearer(key)) as client:
                assert not (await call(client, "list_runs")).failed


async def test_a_session_belongs_to_its_caller(guarded: Config, keys_file: Path) -> None:
    own, other = (keys.add(keys_file, name, READ) for name in ("own", "other"))
    async with running(guarded) as at:
        session = await at.open_session(**bearer(own))
        assert (await at.ping(**session | bearer(own))).status_code == 200
        assert (await at.ping(**session | bearer(other))).status_code == 404
        assert (await at.ping(**session | bearer(own))).status_code == 200


async def test_a_question_can_be_answered_only_by_its_caller(guarded: Config, keys_file: Path) -> None:
    own, other = (keys.add(keys_file, name, ["runs:read", "runs:create"]) for name in ("own", "other"))
    asking = guarded.model_copy(update={"server": guarded.server.model_copy(update={"confirm_create": True})})
    create = {"interaction": "ExtractContacts", "data": {"text": "Ann is ann@example.com"}}
    yes: InputResponses = {"confirm": ElicitResult(action="accept", content={"confirm": "yes"})}

    async def nobody(*_: object) -> ElicitResult:
        raise AssertionError("the test itself answers the question")

    async with (
        running(asking) as at,
        connected(at, "auto", bearer(own), elicitation_callback=nobody) as one,
        connected(at, "auto", bearer(other), elicitation_callback=nobody) as another,
    ):
        asked_for = await one.session.call_tool("create_run", create, allow_input_required=True)
        assert isinstance(asked_for, InputRequiredResult)
        state = asked_for.request_state
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await another.session.call_tool("create_run", create, input_responses=yes, request_state=state)
        created = await one.session.call_tool("create_run", create, input_responses=yes, request_state=state)
        assert not created.is_error


async def test_without_a_file_of_keys_nothing_is_served(guarded: Config) -> None:
    with pytest.raises(ConfigError, match="`runs-mcp keys add` creates it"):
        build_service(guarded, host="127.0.0.1")


@pytest.mark.slow
async def test_with_keys_other_machines_may_be_served(keys_file: Path) -> None:
    key = keys.add(keys_file, "ci", READ)
    settings = {"server": {"http": {"auth": {"kind": "bearer", "keys_file": str(keys_file)}}}}
    file = keys_file.with_name("config.json")
    file.write_text(json.dumps(settings), encoding="utf-8")
    command = (*SERVE, "--config", str(file), "--host", "0.0.0.0")
    async with http_process(command) as (everywhere, _), http_client() as http:
        at = Endpoint(everywhere.replace("0.0.0.0", "127.0.0.1").removesuffix(PATH), http)
        assert (await at.ping()).status_code == 401
        async with connected(at, headers=bearer(key)) as client:
            assert not (await call(client, "list_runs")).failed
