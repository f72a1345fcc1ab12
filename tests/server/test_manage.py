"""The tools of `server.manage`: published on request only; they change tags and delete runs, one by one."""

import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.api import InvalidArgumentError, NotFoundError, RunsClient, connect
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.http.auth import keys
from runs_mcp.observability.logs import FIELDS
from runs_mcp.sandbox import Sandbox
from runs_mcp.server import build_server, patience
from runs_mcp.server.params import MAX_BATCH
from runs_mcp.server.patience import Patience
from runs_mcp.server.permissions.permitted_tools import permits
from runs_mcp.server.render import outcomes
from runs_mcp.server.runs.batch import AT_ONCE
from runs_mcp.server.runs.own_tags import PREFIX
from runs_mcp.server.tools import MANAGE_OPERATIONS
from tests import upstream
from tests.calls import PATIENT, call
from tests.http.service import bearer, connected, running
from tests.server.test_elicitation import Person, asking
from tests.upstream import reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

CURRENT = ApiSettings.model_validate({"edition": "vertesia"})
MANAGED = {one.name for one in MANAGE_OPERATIONS}


def configured(api: ApiSettings, **server: Any) -> Config:
    return Config.model_validate({"api": api, "server": {"manage": True, **server}})


def audited(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    """Return the lines of the audit log: their events and fields."""
    lines = [(one.message, getattr(one, FIELDS)) for one in caplog.records if hasattr(one, FIELDS)]
    return [line for line in lines if line[0].startswith("run ")]


@pytest.fixture
def managed(sandbox: Sandbox) -> Config:
    """A configuration with the tools of `server.manage`."""
    return configured(sandbox_api(sandbox.url, CURRENT))


@pytest.fixture
async def runs(managed: Config) -> AsyncIterator[RunsClient]:
    """A client of the API."""
    async with connect(managed.api) as runs:
        yield runs


@pytest.fixture
async def run_id(runs: RunsClient) -> str:
    """Return the id of a new run with the tags `a` and `b`, and one of the server's own."""
    made = await runs.create_run(
        interaction="ExtractContacts", data={"text": "Ann"}, tags=["a", "b", f"{PREFIX}{uuid4().hex}"]
    )
    return made.id


async def test_the_tools_are_published_only_if_the_operator_wants_them(sandbox: Sandbox, mode: str) -> None:
    api = sandbox_api(sandbox.url, CURRENT)
    offered = {}
    for name, server in {"off": {"manage": False}, "on": {}, "read only": {"read_only": True}}.items():
        async with Client(build_server(configured(api, **server)).mcp, mode=mode, client_info=PATIENT) as client:
            offered[name] = {tool.name for tool in (await client.list_tools()).tools} & MANAGED
            assert ("- delete_runs " in (client.instructions or "")) == (name == "on")
    assert offered == {"off": set(), "on": MANAGED, "read only": set()}


def test_an_edition_that_cannot_change_runs_is_refused_at_the_start(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"server.manage: the edition composable has no operations") as refused:
        build_server(configured(config.api))
    assert "api.edition to vertesia" in str(refused.value)


def test_the_credential_must_be_able_to_write_runs() -> None:
    assert all(permits({"run:read", "run:write"}, tool) for tool in MANAGED)
    assert not any(permits({"run:read", "interaction:execute"}, tool) for tool in MANAGED)
    assert not permits({"run:write"}, "update_run"), "`update_run` reads the tags before it writes them"


async def test_tags_are_added_and_removed_and_the_tags_of_the_server_stay(
    managed: Config, runs: RunsClient, run_id: str, mode: str
) -> None:
    own = (await runs.get_run(run_id)).tags[2]
    async with Client(build_server(managed).mcp, mode=mode, client_info=PATIENT) as client:
        answer = await call(client, "update_run", run_ids=[run_id], add_tags=["b", "c"], remove_tags=["a", "unknown"])
    assert not answer.failed, answer.text
    assert answer.text.splitlines()[0].startswith("1 run: 1 updated. (vertesia")
    assert answer.text.splitlines()[2] == f"{run_id} | updated | tags: b, c"
    assert answer.structured["runs"] == [{"id": run_id, "tags": ["b", "c"], "outcome": "updated"}]
    assert list((await runs.get_run(run_id)).tags) == ["b", own, "c"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"add_tags": [f"{PREFIX}1"]}, "is reserved", id="adds a tag of the server"),
        pytest.param({"remove_tags": [f" {PREFIX.upper()}1"]}, "is reserved", id="removes a tag of the server"),
        pytest.param({}, "Give `add_tags`, `remove_tags` or both", id="no change"),
        pytest.param({"add_tags": ["x"], "remove_tags": ["x"]}, "both in `add_tags`", id="contradiction"),
        pytest.param({"run_ids": ["../x"], "add_tags": ["x"]}, "not a run id", id="no id"),
        pytest.param({"run_ids": ["a"] * (MAX_BATCH + 1), "add_tags": ["x"]}, "`run_ids`", id="too many"),
    ],
)
async def test_updates_that_make_no_sense_are_rejected(
    managed: Config, mode: str, arguments: dict[str, Any], words: str
) -> None:
    async with Client(build_server(managed).mcp, mode=mode, client_info=PATIENT) as client:
        answer = await call(client, "update_run", **{"run_ids": ["r1"], **arguments})
    assert answer.failed
    assert words in answer.text
    assert "Nothing was sent." in answer.text


async def test_a_missing_run_does_not_affect_the_others(
    managed: Config, runs: RunsClient, run_id: str, mode: str
) -> None:
    async with Client(build_server(managed).mcp, mode=mode, client_info=PATIENT) as client:
        updated = await call(client, "update_run", run_ids=["nowhere", run_id], add_tags=["c"])
        deleted = await call(client, "delete_runs", run_ids=["nowhere", run_id, run_id])
    for answer, done in ((updated, "updated"), (deleted, "deleted")):
        assert answer.text.startswith(f"2 runs: 1 {done}, 1 failed.")
        assert [one["outcome"] for one in answer.structured["runs"]] == ["failed", done]
        assert "found nothing there (404)" in answer.structured["runs"][0]["failure"]
        assert "Nothing was changed" in answer.text
    with pytest.raises(NotFoundError):
        await runs.get_run(run_id)


async def test_the_audit_log_has_a_line_for_every_changed_run(
    managed: Config, run_id: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runs_mcp.observability.audit")
    async with Client(build_server(managed).mcp, mode=mode, client_info=PATIENT) as client:
        for _ in range(2):
            await call(client, "update_run", run_ids=[run_id, "nowhere"], add_tags=["c"], remove_tags=["a"])
        await call(client, "delete_runs", run_ids=[run_id, "nowhere"])
    assert audited(caplog) == [
        ("run update", {"run_id": run_id, "added": ["c"], "removed": ["a"], "outcome": "done", "caller": "local"}),
        ("run deletion", {"run_id": run_id, "outcome": "done", "caller": "local"}),
    ]


@pytest.mark.parametrize("answer", ["yes", "no", None])
async def test_a_person_confirms_new_tags_where_the_client_can_ask(
    managed: Config, runs: RunsClient, run_id: str, mode: str, answer: str | None
) -> None:
    person = Person(**({"confirm": answer} if answer else {}))
    before = (await runs.get_run(run_id)).tags
    async with asking(managed, mode, person) as client:
        updated = await call(client, "update_run", run_ids=[run_id], add_tags=["c"], remove_tags=["a"])
    assert person.asked[0].message == f"Change the tags of 1 run ({run_id}): add c, remove a?"
    assert updated.failed is (answer != "yes")
    if updated.failed:
        assert updated.text.startswith("No run was updated: the person who was asked declined.")
        assert (await runs.get_run(run_id)).tags == before


@pytest.mark.parametrize("answer", ["yes", "no", None])
async def test_a_person_confirms_deletions_where_the_client_can_ask(
    managed: Config, runs: RunsClient, run_id: str, mode: str, answer: str | None
) -> None:
    person = Person(**({"confirm": answer} if answer else {}))
    async with asking(managed, mode, person) as client:
        deleted = await call(client, "delete_runs", run_ids=[run_id])
    assert person.asked[0].message == f"Delete 1 run ({run_id})? Deleted runs cannot be restored."
    assert deleted.failed is (answer != "yes")
    if deleted.failed:
        assert deleted.text.startswith("No run was deleted: the person who was asked declined.")
        assert (await runs.get_run(run_id)).id == run_id


async def test_a_client_that_cannot_ask_deletes_nothing_where_confirmation_is_required(
    sandbox: Sandbox, runs: RunsClient, run_id: str, mode: str
) -> None:
    strict = configured(sandbox_api(sandbox.url, CURRENT), confirm_create=True)
    async with Client(build_server(strict).mcp, mode=mode, client_info=PATIENT) as client:
        answer = await call(client, "delete_runs", run_ids=[run_id])
    assert answer.text.startswith("No run was deleted: the client cannot show a question to a person.")
    assert (await runs.get_run(run_id)).id == run_id


async def cut(_: Request) -> Response:
    """Close the connection before the whole response was sent."""
    return Response(b"{", headers={"content-length": "100"})


@pytest.mark.parametrize("answer", [reply({}, 500), reply({}, 503), cut], ids=["500", "503", "connection lost"])
async def test_a_change_of_unknown_outcome_is_sent_once_reported_and_logged(
    mode: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runs_mcp.observability.audit")
    failing = {
        "GET /runs/r1": reply({"id": "r1", "tags": []}),
        "PUT /runs/r1": answer,
        "DELETE /runs/r1": answer,
    }
    async with upstream.serving(failing) as api:
        config = configured(api.api.model_copy(update={"edition": "vertesia"}))
        async with Client(build_server(config).mcp, mode=mode, client_info=PATIENT) as client:
            updated = await call(client, "update_run", run_ids=["r1"], add_tags=["x"])
            deleted = await call(client, "delete_runs", run_ids=["r1"])
        for one in (updated, deleted):
            assert (
                "It is not known whether this run was changed. Before you repeat the change, read the run with get_run."
                in one.text
            )
            assert "Nothing was changed" not in one.text
        assert (api.count("PUT /runs/r1"), api.count("DELETE /runs/r1")) == (1, 1)
    assert audited(caplog) == [
        ("run update", {"run_id": "r1", "added": ["x"], "outcome": "unknown", "caller": "local"}),
        ("run deletion", {"run_id": "r1", "outcome": "unknown", "caller": "local"}),
    ]


@pytest.mark.parametrize("status", [400, 403, 404, 409])
async def test_a_refused_change_is_reported_and_not_logged(
    mode: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runs_mcp.observability.audit")
    refusing = {
        "GET /runs/r1": reply({"id": "r1", "tags": []}),
        "PUT /runs/r1": reply({}, status),
        "DELETE /runs/r1": reply({}, status),
    }
    async with upstream.serving(refusing) as api:
        config = configured(api.api.model_copy(update={"edition": "vertesia"}))
        async with Client(build_server(config).mcp, mode=mode, client_info=PATIENT) as client:
            updated = await call(client, "update_run", run_ids=["r1"], add_tags=["x"])
            deleted = await call(client, "delete_runs", run_ids=["r1"])
    assert all("Nothing was changed." in one.text for one in (updated, deleted))
    assert audited(caplog) == []


async def test_a_crash_does_not_claim_that_nothing_was_changed(
    managed: Config, run_id: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "changed", lambda *_, **__: 1 / 0)
    async with Client(build_server(managed).mcp, mode=mode, client_info=PATIENT) as client:
        answer = await call(client, "delete_runs", run_ids=[run_id])
    assert "It is not known whether this run was changed." in answer.text


async def test_a_caller_needs_the_scope_to_manage(managed: Config, tmp_path: Path, run_id: str, mode: str) -> None:
    file = tmp_path / "keys.json"
    creator = keys.add(file, "creator", ["runs:read", "runs:create"])
    manager = keys.add(file, "manager", ["runs:read", "runs:manage"])
    auth = {"kind": "bearer", "keys_file": file}
    async with running(configured(managed.api, http={"auth": auth})) as at:
        async with connected(at, mode, bearer(creator)) as client:
            offered = {tool.name for tool in (await client.list_tools()).tools}
            assert "create_run" in offered
            assert not offered & MANAGED
        async with connected(at, "legacy", bearer(creator)) as client:
            refused = await call(client, "delete_runs", run_ids=[run_id])
            assert refused.text.startswith(
                "delete_runs needs the scope runs:manage, which this caller does not have. Nothing was sent. Nothing "
                "was changed. "
            )
        async with connected(at, mode, bearer(manager)) as client:
            offered = {tool.name for tool in (await client.list_tools()).tools}
            assert "create_run" not in offered
            assert offered >= MANAGED
            assert not (await call(client, "delete_runs", run_ids=[run_id])).failed
        challenged = await at.ask("tools/call", name="delete_runs", **bearer(creator))
        assert challenged.status_code == 403
        assert 'scope="runs:create runs:manage runs:read"' in challenged.headers["www-authenticate"]


async def test_every_answer_fits_its_output_schema(managed: Config, run_id: str, mode: str) -> None:
    async with Client(build_server(managed).mcp, mode=mode, client_info=PATIENT) as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
        calls = {"update_run": {"add_tags": ["x"]}, "delete_runs": {}}
        assert set(calls) == MANAGED
        for tool, arguments in calls.items():
            answer = await call(client, tool, run_ids=[run_id], **arguments)
            Draft202012Validator(schemas[tool] or {}).validate(answer.structured)


async def test_a_call_that_runs_out_of_time_sends_no_further_changes(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "Patience", partial(Patience, grace_s=0.0))
    over, run_ids = anyio.Event(), [f"r{number}" for number in range(AT_ONCE + 1)]

    async def wait(_: Request) -> Response:
        await over.wait()
        return JSONResponse({})

    async with upstream.serving({f"DELETE /runs/{one}": wait for one in run_ids}) as api:
        config = configured(api.api.model_copy(update={"edition": "vertesia"}))
        hasty = config.model_copy(update={"streaming": StreamingSettings(max_wait_s=0.3)})
        async with Client(build_server(hasty).mcp, mode=mode, client_info=PATIENT) as client:
            answer = await call(client, "delete_runs", run_ids=run_ids)
        over.set()
    failures = [one["failure"] for one in answer.structured["runs"]]
    assert all("It is not known whether this run was changed" in failure for failure in failures[:AT_ONCE])
    assert failures[AT_ONCE].startswith("The Runs API has not answered within 0.3 s. Nothing was changed.")
    assert api.count(f"DELETE /runs/{run_ids[AT_ONCE]}") == 0


async def test_the_client_of_an_edition_without_changes_sends_nothing(config: Config) -> None:
    async with connect(config.api) as older:
        with pytest.raises(InvalidArgumentError, match="The edition composable cannot change or delete runs"):
            await older.update_run("r1", tags=[])
        with pytest.raises(InvalidArgumentError, match="The edition composable cannot change or delete runs"):
            await older.delete_run("r1")
