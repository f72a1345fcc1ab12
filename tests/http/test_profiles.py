"""Profiles: each caller uses the credential, project and tools of its profile, and sees nothing of another profile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.shared.exceptions import MCPError
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PromptReference
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.cli.sandbox_api import run_with_sandbox
from runs_mcp.config.settings import Config
from runs_mcp.http.app import build_service
from runs_mcp.http.auth import keys
from runs_mcp.http.auth.admission import identify_caller
from runs_mcp.server.permissions.scopes import Caller, caller_of
from runs_mcp.server.tasks import EXTENSION
from runs_mcp.server.tools import OPERATIONS
from tests.calls import Notifications, call
from tests.command_line import USAGE, configuration, run_command
from tests.http.service import META, MODERN, Endpoint, bearer, connected, running
from tests.http.tenants import Service, Tenant, two_tenants
from tests.http_client import http_client, sdk_http_client
from tests.server.test_subscriptions import Subscriber
from tests.upstream import listening

pytestmark = [
    pytest.mark.usefixtures("quick_polls"),
    pytest.mark.anyio,
    pytest.mark.both_eras,
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed"),
]

CREATE = {"interaction": "Review", "data": {"text": "x"}}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """One endpoint for two tenants."""
    async with two_tenants(tmp_path) as started:
        yield started


async def everything(client: Client) -> str:
    """Collect every text about runs that a client can receive."""
    said = [client.instructions or ""]
    for tool, arguments in (
        ("list_runs", {"interaction": "Review"}),
        ("get_run", {"run_id": "r1"}),
        ("search_runs", {"query": "words"}),
        ("compute_run_facets", {"facets": ["tags"]}),
        ("get_run_filter_options", {"field": "interaction"}),
        ("stream_run", {"run_id": "r1"}),
    ):
        answer = await call(client, tool, **arguments)
        assert not answer.failed, answer.text
        said.append(answer.result.model_dump_json())
    said.append((await client.list_resources()).model_dump_json())
    uris = ("runs://r1", "runs://r1/result", "runs://r1?path=/tags")
    said += [(await client.read_resource(uri)).model_dump_json() for uri in uris]
    prompt = PromptReference(name="compare_models")
    said.append((await client.complete(prompt, {"name": "interaction", "value": ""})).model_dump_json())
    return "\n".join(said)


async def test_each_caller_is_served_from_the_api_of_their_profile_alone(service: Service, mode: str) -> None:
    acme, globex = service.tenants
    async with (
        connected(service.at, mode, bearer(acme.key)) as one,
        connected(service.at, mode, bearer(globex.key)) as other,
    ):
        said = {acme.name: await everything(one), globex.name: await everything(other)}
    for tenant, stranger in ((acme, globex), (globex, acme)):
        assert f"words of {tenant.name}" in said[tenant.name]
        assert f"project-of-{tenant.name}" in said[tenant.name]
        assert stranger.name not in said[tenant.name]
        assert tenant.credentials == {f"Bearer {tenant.credential}"}
        assert any(f"interaction={tenant.name}-id" in query for query in tenant.queries), "the tenant's name"
        assert stranger.name not in str(tenant.queries)


async def test_concurrent_calls_get_the_data_of_their_own_profile(service: Service, mode: str) -> None:
    wrong: list[str] = []

    async def ask_for(tenant: Tenant, client: Client) -> None:
        for tool, arguments in (("get_run", {"run_id": "r1"}), ("list_runs", {"interaction": "Review"})):
            said = (await call(client, tool, **arguments)).result.model_dump_json()
            if f"tag-of-{tenant.name}" not in said:
                wrong.append(said)

    acme, globex = service.tenants
    async with (
        connected(service.at, mode, bearer(acme.key)) as one,
        connected(service.at, mode, bearer(globex.key)) as other,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(20):
            tasks.start_soon(ask_for, acme, one)
            tasks.start_soon(ask_for, globex, other)
    assert not wrong


async def test_runs_with_the_same_id_and_key_are_separate_per_profile(service: Service, mode: str) -> None:
    answers: dict[str, str] = {}

    async def create(tenant: Tenant) -> None:
        async with connected(service.at, mode, bearer(tenant.key)) as client:
            progress = Notifications()
            answer = await call(client, "create_run", progress=progress, request_key="same", **CREATE)
            assert answer.structured["result"] == progress.text
            answers[tenant.name] = progress.text

    async with anyio.create_task_group() as tasks:
        for tenant in service.tenants:
            tasks.start_soon(create, tenant)
    for tenant in service.tenants:
        assert answers[tenant.name] == "".join(f"words of {tenant.name}, number {number}. " for number in range(20))
        [created] = tenant.created
        assert created["interaction"] == "Review"


async def test_a_change_of_a_run_is_notified_to_its_tenant_alone(service: Service, mode: str) -> None:
    acme, globex = service.tenants
    async with subscribed(service, acme, mode) as one, subscribed(service, globex, mode) as other:
        acme.ends.set()
        assert await one.updates.receive() == "runs://slow"
        assert other.updates.statistics().current_buffer_used == 0
        globex.ends.set()
        assert await other.updates.receive() == "runs://slow"
        assert one.updates.statistics().current_buffer_used == 0


@asynccontextmanager
async def subscribed(service: Service, tenant: Tenant, mode: str) -> AsyncIterator[Subscriber]:
    """Yield a tenant's client that is subscribed to the run `slow`."""
    async with sdk_http_client(headers=bearer(tenant.key)) as http:
        subscriber = Subscriber(streamable_http_client(service.at.endpoint, http_client=http), mode)
        async with subscriber.client, subscriber.subscribed("runs://slow"):
            yield subscriber
        subscriber.close()


async def test_tasks_are_visible_only_to_their_tenant(service: Service) -> None:
    meta = {**META, CLIENT_CAPABILITIES_META_KEY: {"extensions": {EXTENSION: {}}}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "r1", "_meta": meta}}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tasks/get", "mcp-name": "r1"}
    for tenant in service.tenants:
        answer = await service.at.post(request, **headers, **bearer(tenant.key))
        assert f"words of {tenant.name}" in answer.text


async def test_sessions_are_usable_only_by_their_tenant(service: Service) -> None:
    session = await service.at.open_session(**bearer(service.acme.key))
    assert (await service.at.ping(**session | bearer(service.acme.key))).status_code == 200
    assert (await service.at.ping(**session | bearer(service.globex.key))).status_code == 404


async def test_a_profile_selects_the_tools(tmp_path: Path, mode: str) -> None:
    async with two_tenants(tmp_path, acme={"read_only": True}, globex={"tools": ["get_run", "create_run"]}) as service:
        async with connected(service.at, mode, bearer(service.acme.key)) as client:
            offered = {tool.name for tool in (await client.list_tools()).tools}
            assert offered == {one.name for one in OPERATIONS} - {"create_run"}
        async with connected(service.at, mode, bearer(service.globex.key)) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {"get_run", "create_run"}
            with pytest.raises(MCPError, match="Unknown tool: 'list_runs'"):
                await call(client, "list_runs")


async def test_callers_without_a_profile_are_refused(service: Service) -> None:
    stranger = keys.add(service.keys_file, "stranger", ["runs:read"])
    refused = await service.at.ping(**bearer(stranger))
    assert refused.status_code == 403
    assert refused.json()["error"] == "access_denied"
    assert "No profile of this server matches this caller" in refused.json()["error_description"]


async def test_callers_without_a_profile_can_be_served_with_the_base_settings(
    config: Config, tmp_path: Path, mode: str
) -> None:
    file = tmp_path / "keys.json"
    stranger, known = (keys.add(file, name, ["runs:read"]) for name in ("stranger", "known"))
    http = {"auth": {"kind": "bearer", "keys_file": file}, "without_profile": "serve"}
    profiles = {"few": {"callers": ["known"], "tools": ["get_run"]}}
    settings = Config.model_validate({**dict(config), "server": {"http": http}, "profiles": profiles})
    async with running(settings) as at:
        async with connected(at, mode, bearer(stranger)) as client:
            assert not (await call(client, "list_runs")).failed
        async with connected(at, mode, bearer(known)) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["get_run"]


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        pytest.param({"api": {"auth": {"env": "NOPE"}}}, "profiles.one: api.auth.env (NOPE): this", id="credential"),
        pytest.param({"tools": ["list_run"]}, "profiles.one: server.tools: no such tool: list_run", id="tool"),
    ],
)
def test_an_invalid_profile_is_rejected_at_start_by_name(tmp_path: Path, profile: dict[str, Any], says: str) -> None:
    keys.add(tmp_path / "keys.json", "ci", ["runs:read"])
    settings = {
        "api": {"auth": {"value": "a-token"}},
        "server": {"http": {"auth": {"kind": "bearer", "keys_file": "keys.json"}}},
        "profiles": {"one": {"callers": ["ci"], **profile}},
    }
    ended = run_command("serve", "--http", "--config", configuration(tmp_path, settings), cwd=tmp_path)
    assert ended.returncode == USAGE
    assert says in ended.stderr


async def test_with_a_sandbox_every_profile_fronts_it(tmp_path: Path) -> None:
    auth = {"kind": "bearer", "keys_file": tmp_path / "keys.json"}
    profiles = {"one": {"callers": ["ci"], "api": {"auth": {"env": "NOPE"}}}}
    config = Config.model_validate({"server": {"http": {"auth": auth}}, "profiles": profiles})
    served: list[Config] = []

    async def serve(config: Config) -> None:
        served.append(config)

    await run_with_sandbox(serve, config)
    assert served[0].of("one").api == served[0].api != config.api


PROFILES = {
    "named": {"callers": ["alice"]},
    "both": {"claims": {"tenant": "acme", "groups": "editors"}},
    "tenant": {"claims": {"tenant": "acme"}, "rate_limit": 60},
}


@pytest.mark.parametrize(
    ("claims", "profile"),
    [
        pytest.param({"sub": "alice", "tenant": "acme"}, "named", id="a name before any claim"),
        pytest.param(
            {"sub": "bob", "tenant": "acme", "groups": ["staff", "editors"]}, "both", id="the first that fits"
        ),
        pytest.param({"sub": "bob", "tenant": "acme", "groups": ["staff"]}, "tenant", id="all claims of it"),
        pytest.param({"sub": "bob", "tenant": "acme2"}, None, id="the whole value"),
        pytest.param({"sub": "bob", "tenant": ["acme"]}, "tenant", id="a value in a list"),
        pytest.param({"sub": "bob", "tenant": {"acme": 1}}, None, id="nothing but a text or a list"),
        pytest.param({"sub": "bob"}, None, id="no claim"),
    ],
)
def test_a_profile_is_chosen_by_name_and_then_by_the_first_matching_claims(
    claims: dict[str, Any], profile: str | None
) -> None:
    auth = {"kind": "jwt", "issuer": "https://a.example", "resource_url": "https://b.example", "jwks_file": "none"}
    config = Config.model_validate({"server": {"http": {"auth": auth}}, "profiles": PROFILES})
    token = AccessToken(token="", client_id="editor", scopes=["runs:read"], subject=claims["sub"], claims=claims)
    caller = identify_caller(token, config)
    limit = 60 if profile == "tenant" else None
    assert caller == (Caller(claims["sub"], frozenset({"runs:read"}), profile, limit) if profile else None)


async def test_outer_middleware_can_read_the_caller(config: Config, tmp_path: Path) -> None:
    key = keys.add(tmp_path / "keys.json", "ci", ["runs:read"])
    auth = {"kind": "bearer", "keys_file": tmp_path / "keys.json"}
    guarded = Config.model_validate({**dict(config), "server": {"http": {"auth": auth}}})
    seen: list[Caller | None] = []

    def build(_: str) -> ASGIApp:
        app = build_service(guarded, host="127.0.0.1").app

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)
            if scope["type"] == "http":
                seen.append(caller_of(scope))

        return noting

    async with listening(build, lifespan="on") as url, http_client() as http:
        at = Endpoint(url, http)
        await at.ping()
        await at.ping(**bearer(key))
    assert seen == [None, Caller("ci", frozenset({"runs:read"}))]
