"""`runs-mcp check`: its findings and advice, without secrets and without side effects."""

import json
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import anyio
import jwt
import pytest
import trustme
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from runs_mcp.cli.check import report
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.findings import Check, Finding, Outcome, check, ok
from runs_mcp.cli.check.permissions import REPLACEMENTS
from runs_mcp.cli.check.runner import CHECKS, examine
from runs_mcp.sandbox import DEMO_KEY, Sandbox
from runs_mcp.sandbox.access import EXECUTE_ONLY_KEY
from runs_mcp.server.tools import OPERATIONS as TOOLS
from tests import ROOT, upstream
from tests.clients.processes import CLEAN
from tests.upstream import TOKEN, Replies, Reply, reply

pytestmark = pytest.mark.anyio

HERE = [one for one in CHECKS if not one.name.startswith("protocol_")]
"""The checks that run without starting servers."""
OPERATIONS = {
    "list_runs": "GET /runs",
    "get_run": "GET /runs/r1",
    "search_runs": "POST /runs/search",
    "find_runs": "POST /runs/find",
    "compute_run_facets": "POST /runs/facets",
    "get_run_filter_options": "GET /runs/filter-options/environment",
    "list_interactions": "POST /interactions/export",
    "stream_run": "GET /runs/000000000000000000000000/stream",
}
WITHOUT_OPERATIONS = [one for one in HERE if one.name not in OPERATIONS]
RUN = {"id": "r1", "status": "completed", "result": {"text": "Hello"}}
IN_PARTS = {**RUN, "result": [{"type": "json", "value": {"text": "Hello"}}]}
GOOD: Replies = {
    "GET /runs": reply([RUN]),
    "GET /runs/r1": reply(RUN),
    "POST /runs/search": reply([RUN]),
    "POST /runs/find": reply([RUN]),
    "POST /runs/facets": reply({"total": 1, "status": []}),
    "GET /runs/filter-options/environment": reply([]),
    "POST /interactions/export": reply([]),
    "POST /interactions/endpoints": reply([]),
    "GET /runs/000000000000000000000000": reply({"error": "Not Found", "status": 404}, 404),
    "GET /runs/000000000000000000000000/stream": reply({"error": "Not Found", "status": 404}, 404),
}
Found = Mapping[str, Finding]
PAGE = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")


def until(name: str) -> Sequence[Check]:
    """Return the checks up to `name`."""
    return HERE[: [one.name for one in HERE].index(name) + 1]


def documented(name: str) -> set[str]:
    """Return the documented facts of a check, which programs may rely on."""
    heading = "protocol_…" if name.startswith("protocol_") else name
    [row] = re.findall(rf"^\| `{heading}` \| (`.+) \|$", PAGE.partition("## For programs")[2], re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's own proxy and certificate settings."""
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a private folder for configurations."""
    return tmp_path


async def examined(folder: Path, settings: Any, checks: Any = HERE) -> Found:
    file = folder / "config.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    file.chmod(0o600)
    found: dict[str, Finding] = {}
    await examine(file, on_finding=found.__setitem__, checks=checks)
    return found


async def asking(folder: Path, replies: Replies, /, **api: Any) -> Found:
    """Check an API that gives these replies, and valid replies otherwise, and return the findings."""
    async with upstream.serving({**GOOD, **replies}) as served:
        base = {"base_url": f"{served.url}/api/v1", "auth": {"value": TOKEN}}
        found = await examined(folder, {"api": {**base, **api}})
        assert "POST /runs" not in served.asked, "no run is created"
        assert "GET /runs/r1/stream" not in served.asked, "no run is executed"
        return found


def failures(found: Found) -> set[str]:
    return {name for name, finding in found.items() if finding.outcome is Outcome.FAILED}


def warnings(found: Found) -> set[str]:
    return {name for name, finding in found.items() if finding.outcome is Outcome.WARNING}


def skipped(found: Found) -> set[str]:
    return {name for name, finding in found.items() if finding.outcome is Outcome.SKIPPED}


def shown_once(found: Found, text: str) -> bool:
    """Return true if the report without `--verbose` contains `text` once."""
    return "\n".join(report.lines(found)).count(text) == 1


def shown(found: Found) -> str:
    """Return the verbose report and the JSON report."""
    return "\n".join([*report.lines(found, verbose=True), json.dumps(report.document(found))])


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
async def test_every_check_passes_in_front_of_a_sandbox(sandbox: Sandbox, folder: Path, edition: str) -> None:
    exchange = {"composable": "/auth/token", "vertesia": "/token/issue"}[edition]
    auth = {"kind": "api_key", "value": DEMO_KEY, "token_url": sandbox.url + exchange}
    api = {"base_url": f"{sandbox.url}/api/v1", "edition": edition, "auth": auth}
    manage = edition == "vertesia"
    found = await examined(folder, {"api": api, "server": {"manage": manage}})
    only_managed = set() if manage else {"update_run", "delete_runs"}
    assert {name for name, one in found.items() if one.outcome is not Outcome.OK} == {"tls", *only_managed}
    assert found["tls"].text == "plain http, to this machine"
    assert found["credential"].facts["project"] == "Demo"
    assert found["contract"].facts == {"configured": edition, "by_shape": edition}
    assert "interaction:execute" in found["create_run"].text
    assert report.exit_code(found) == 0


@pytest.mark.slow
async def test_the_command_starts_the_server_for_clients_of_both_eras(sandbox: Sandbox, folder: Path) -> None:
    file = folder / "config.json"
    auth = {"kind": "api_key", "value": DEMO_KEY}
    file.write_text(json.dumps({"api": {"base_url": f"{sandbox.url}/api/v1", "auth": auth}}), encoding="utf-8")
    command = [sys.executable, "-m", "runs_mcp", "check", "--json", "--config", str(file)]
    finished = await anyio.run_process(command, env=CLEAN, check=False)
    assert (finished.returncode, finished.stderr) == (0, b"")
    document = json.loads(finished.stdout)
    checks = {one["check"]: one for one in document["checks"]}
    assert document["ok"] is True
    assert list(checks) == [one.name for one in CHECKS]
    for version in ("2025-11-25", "2026-07-28"):
        assert checks[f"protocol_{version}"]["outcome"] == "ok"
        assert checks[f"protocol_{version}"]["facts"].items() >= {"version": version, "tools": 10}.items()
    for name, one in checks.items():
        assert not one["facts"] or documented(name) >= set(one["facts"]), name


async def test_each_operation_is_requested_once_and_none_creates_a_run(folder: Path) -> None:
    async with upstream.serving(GOOD) as served:
        found = await examined(folder, {"api": {"base_url": f"{served.url}/api/v1", "auth": {"value": TOKEN}}})
    assert not failures(found)
    assert set(served.asked) == set(OPERATIONS.values())


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - set(REPLACEMENTS) - {"list_interactions"}))
async def test_an_operation_that_the_credential_may_not_use_is_named(folder: Path, name: str) -> None:
    refused = reply({"error": "Forbidden", "message": "Missing permission run:read."}, 403)
    found = await asking(folder, {OPERATIONS[name]: refused})
    assert warnings(found) == {name}
    assert "Missing permission run:read." in found[name].text
    assert "api.auth.value" in (found[name].fix or "")
    assert name in found["working_tools"].facts["unusable"]
    assert report.exit_code(found) == 0


async def test_a_key_that_may_only_execute_is_explained(sandbox: Sandbox, folder: Path) -> None:
    auth = {"kind": "api_key", "value": EXECUTE_ONLY_KEY}
    found = await examined(folder, {"api": {"base_url": f"{sandbox.url}/api/v1", "auth": auth}})
    assert warnings(found) == set(OPERATIONS) - {"stream_run"}
    assert found["working_tools"].facts["working"] == ["create_run", "stream_run"]
    assert "2 of 10 tools (create_run, stream_run), execute-only credential" in report.verdict(found)
    assert "Until then clients are not offered this tool." in (found["list_runs"].fix or "")
    assert shown_once(found, found["list_runs"].fix or "")
    assert report.exit_code(found) == 0


async def test_a_credential_that_permits_no_tool_is_a_failure(sandbox: Sandbox, folder: Path) -> None:
    api = {"base_url": f"{sandbox.url}/api/v1", "auth": {"kind": "api_key", "value": EXECUTE_ONLY_KEY}}
    found = await examined(
        folder, {"api": api, "server": {"read_only": True, "tools": ["list_runs", "aggregate_runs"]}}
    )
    assert failures(found) == {"working_tools"}
    assert "permits none of the tools" in report.verdict(found)
    assert report.exit_code(found) == 1


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
async def test_operations_that_others_replace_are_only_warned_of(folder: Path, edition: str) -> None:
    closed = reply({"error": "Forbidden", "message": "internal"}, 403)
    replies = {OPERATIONS[name]: closed for name in REPLACEMENTS}
    runs = reply([IN_PARTS if edition == "vertesia" else RUN])
    found = await asking(folder, {**replies, "GET /runs": runs}, edition=edition)
    assert warnings(found) == set(REPLACEMENTS)
    for name, replacement in REPLACEMENTS.items():
        assert found[name].facts == {"replaced_by": replacement.tool}
        assert "internal" in found[name].text
        assert (found[name].fix or "").startswith(f"{replacement.tool} replaces {name}: ")
    assert "4 in a reduced form" in report.verdict(found)
    assert report.exit_code(found) == 0


async def test_a_closed_operation_is_not_replaced_by_another_closed_operation(folder: Path) -> None:
    closed = reply({"error": "Forbidden"}, 403)
    found = await asking(folder, {"POST /runs/find": closed, "POST /runs/search": closed})
    assert warnings(found) == {"search_runs", "find_runs"}
    assert found["working_tools"].facts["unusable"] == ["search_runs", "find_runs", "aggregate_runs"]


@pytest.mark.parametrize(
    ("names", "replaced_by"),
    [
        pytest.param(reply([]), "GET /interactions/names", id="names"),
        pytest.param(reply({"error": "Forbidden"}, 403), "list_runs", id="runs"),
    ],
)
async def test_a_closed_catalogue_of_interactions_is_only_warned_of(
    folder: Path, names: Reply, replaced_by: str
) -> None:
    closed = {"POST /interactions/export": reply({"error": "Forbidden"}, 403), "GET /interactions/names": names}
    found = await asking(folder, closed)
    assert warnings(found) == {"list_interactions"}
    assert "interaction:read" in (found["list_interactions"].fix or "")
    assert found["list_interactions"].facts == {"replaced_by": replaced_by}
    assert report.exit_code(found) == 0


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ({}, "runs are not limited"),
        ({"per_hour": 100, "per_day": 1000}, "at most 100 in any hour, 1,000 in any day may be started"),
    ],
)
async def test_the_limit_of_started_runs_is_shown(folder: Path, limit: dict[str, int], text: str) -> None:
    found = await examined(folder, {"server": {"create_limit": limit}}, until("create_limit"))
    assert found["create_limit"].text == text


def exported(*names: str) -> Reply:
    return reply([{"id": name, "name": name, "prompts": []} for name in names])


@pytest.mark.parametrize(
    ("selected", "outcome", "words"),
    [
        ({}, Outcome.OK, "none: server.interaction_tools selects no interaction"),
        ({"include": ["*"]}, Outcome.OK, r"3 tools of single interactions add about \d{3} tokens .* limit is 20"),
        ({"include": ["*"], "limit": 2}, Outcome.WARNING, r"2 tools .*; 3 are selected, and the limit is 2"),
        ({"include": ["X*"]}, Outcome.WARNING, "none: no interaction is selected"),
    ],
)
async def test_the_tokens_of_interaction_tools_are_shown(
    folder: Path, selected: dict[str, Any], outcome: Outcome, words: str
) -> None:
    replies = {
        **GOOD,
        "POST /interactions/export": exported("A", "B", "C"),
        "GET /runs/filter-options/interaction": reply([]),
    }
    async with upstream.serving(replies) as served:
        api = {"base_url": f"{served.url}/api/v1", "auth": {"value": TOKEN}}
        found = await examined(folder, {"api": api, "server": {"interaction_tools": selected}})
    assert found["interaction_tools"].outcome is outcome
    assert re.search(words, found["interaction_tools"].text)


async def test_operations_of_disabled_tools_are_not_checked(folder: Path) -> None:
    async with upstream.serving(GOOD) as served:
        api = {"base_url": f"{served.url}/api/v1", "auth": {"value": TOKEN}}
        found = await examined(
            folder, {"api": api, "server": {"read_only": True, "tools": ["list_runs", "create_run"]}}
        )
    assert found["tools"].facts["offered"] == ["list_runs"]
    assert set(served.asked) == {"GET /runs"}
    assert found["create_run"].text.startswith("not offered")


@pytest.mark.parametrize(
    ("permissions", "outcome"),
    [(None, Outcome.SKIPPED), ([], Outcome.WARNING), (["interaction:execute"], Outcome.OK)],
)
async def test_the_permission_to_create_runs_is_read_from_the_token(
    folder: Path, permissions: list[str] | None, outcome: Outcome
) -> None:
    claims = {} if permissions is None else {"permissions": permissions}
    found = await asking(folder, {}, auth={"value": token(**claims)})
    assert found["create_run"].outcome is outcome
    assert "not tried" in found["create_run"].text


@pytest.mark.parametrize(
    ("manage", "permissions", "outcome", "words"),
    [
        (False, ["run:write"], Outcome.SKIPPED, "server.manage is off"),
        (True, None, Outcome.SKIPPED, "the token lists no permissions"),
        (True, ["run:read"], Outcome.WARNING, "the token lacks run:write"),
        (True, ["run:read", "run:write"], Outcome.OK, "the token holds run:"),
    ],
)
async def test_the_permission_to_change_runs_is_read_from_the_token_and_nothing_is_changed(
    folder: Path, *, manage: bool, permissions: list[str] | None, outcome: Outcome, words: str
) -> None:
    claims = {} if permissions is None else {"permissions": permissions}
    async with upstream.serving(GOOD) as served:
        api = {"base_url": f"{served.url}/api/v1", "edition": "vertesia", "auth": {"value": token(**claims)}}
        found = await examined(folder, {"api": api, "server": {"manage": manage}})
    for tool in ("update_run", "delete_runs"):
        assert found[tool].outcome is outcome
        assert words in found[tool].text
    assert not [one for one in served.asked if one.startswith(("PUT", "DELETE"))]


async def test_changing_tags_needs_the_permission_to_read_them(folder: Path) -> None:
    async with upstream.serving(GOOD) as served:
        auth = {"value": token(permissions=["run:write"])}
        api = {"base_url": f"{served.url}/api/v1", "edition": "vertesia", "auth": auth}
        found = await examined(folder, {"api": api, "server": {"manage": True}})
    assert found["delete_runs"].outcome is Outcome.OK
    assert found["update_run"].text.endswith("the token lacks run:read")
    assert (found["update_run"].fix or "").startswith("Grant run:read to ")


async def test_without_runs_the_edition_cannot_be_verified(folder: Path) -> None:
    missing = reply({"error": "Not Found"}, 404)
    found = await asking(folder, {"GET /runs": reply([]), "GET /runs/000000000000000000000000": missing})
    assert not failures(found)
    assert "contract" in skipped(found)
    assert "no runs yet" in found["api"].text


def html(status: int = 200) -> Reply:
    async def answer(_: Request) -> Response:
        return HTMLResponse("<html><body>Please log in</body></html>", status)

    return answer


async def redirect(_: Request) -> Response:
    return RedirectResponse("https://elsewhere.example/api/v1/runs?state=abc", 302)


@pytest.mark.parametrize(
    ("answer", "says", "advises"),
    [
        pytest.param(reply({"message": "Token revoked"}, 401), "Token revoked", "Renew api.auth.value", id="401"),
        pytest.param(reply({"error": "Not Found"}, 404), "(404): Not Found", "it ends in /api/v1", id="404"),
        pytest.param(html(404), "(404)", "it ends in /api/v1", id="404 in HTML"),
        pytest.param(html(), "not JSON (text/html)", "the login page of a proxy", id="a web page"),
        pytest.param(redirect, "status 302", "https://elsewhere.example/api/v1/runs, and credentials", id="redirect"),
        pytest.param(reply({}, 429), "limits the rate (429)", "Wait a minute", id="429"),
        pytest.param(reply({}, 500), "failed (500)", "Try again later", id="500"),
        pytest.param(reply({"runs": 3}), "not a list", "the answer is not from the API", id="some other JSON"),
    ],
)
async def test_a_server_other_than_the_runs_api_is_recognized(
    folder: Path, answer: Reply, says: str, advises: str
) -> None:
    found = await asking(folder, {"GET /runs": answer})
    assert failures(found) == {"api"}
    assert says in found["api"].text
    assert advises in (found["api"].fix or "")
    assert found["list_runs"].text == "skipped: api failed"
    assert found["clock"].outcome is Outcome.OK, "the `Date` header of any answer is enough"


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
async def test_answers_in_the_shape_of_the_other_edition_are_noticed(folder: Path, edition: str) -> None:
    other, run = ("vertesia", IN_PARTS) if edition == "composable" else ("composable", RUN)
    found = await asking(folder, {"GET /runs": reply([run])}, edition=edition)
    assert failures(found) == {"contract"}
    assert f"Set api.edition to {other}" in (found["contract"].fix or "")


async def test_a_failed_key_exchange_is_distinguished_from_a_failing_api(folder: Path) -> None:
    refused = reply({"message": "Invalid API key."}, 401)
    found = await asking(folder, {"GET /auth/token": refused}, auth={"kind": "api_key", "value": "sk-1"})
    assert failures(found) == {"credential"}
    assert "Invalid API key." in found["credential"].text
    assert found["api"].text == "skipped: credential failed"


async def test_a_rejected_key_is_reported_with_the_exchange_url(folder: Path) -> None:
    auth = {"kind": "api_key", "value": "sk-1"}
    found = await asking(folder, {"GET /auth/token": reply({}, 404)}, auth=auth)
    assert "/auth/token" in (found["credential"].fix or "")


async def test_a_closed_port_is_reported(folder: Path) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    await listener.aclose()
    found = await examined(folder, {"api": {"base_url": f"http://127.0.0.1:{port}", "auth": {"value": TOKEN}}})
    assert failures(found) == {"connection"}
    assert found["connection"].text == f"127.0.0.1 port {port} refuses connections"
    assert {"tls", "credential", "api", "list_runs"} <= skipped(found)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b"])
async def test_an_unknown_host_name_is_reported(folder: Path, host: str) -> None:
    found = await examined(folder, {"api": {"base_url": f"https://{host}", "auth": {"value": TOKEN}}})
    assert failures(found) == {"dns"}
    assert "connection" in skipped(found)


async def test_an_unresponsive_api_is_reported(folder: Path) -> None:
    async def never(_: Request) -> Response:
        await anyio.sleep_forever()
        raise AssertionError

    found = await asking(folder, {"GET /runs": never}, timeout_s=0.2)
    assert failures(found) == {"api"}
    assert "did not answer in time" in found["api"].text


@asynccontextmanager
async def tcp_server(behave: Callable[[SocketStream], Awaitable[object]]) -> AsyncIterator[int]:
    """Yield the port of a server with the given behaviour."""

    async def serve(connection: SocketStream) -> None:
        async with connection:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
                await behave(connection)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("identity", "trusted", "failing", "says"),
    [
        pytest.param("127.0.0.1", False, "tls", "the certificate is not trusted: unable to get local", id="unknown"),
        pytest.param("other.example", True, "tls", "certificate is not valid for '127.0.0.1'", id="another's"),
        pytest.param(None, True, "tls", "does not speak TLS (WRONG_VERSION_NUMBER)", id="no TLS at all"),
        pytest.param("127.0.0.1", True, "api", "connection to the Runs API broke", id="good, and then silent"),
    ],
)
async def test_no_credential_is_sent_to_an_untrusted_certificate(
    folder: Path, monkeypatch: pytest.MonkeyPatch, identity: str | None, trusted: bool, failing: str, says: str
) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(identity or "127.0.0.1").configure_cert(context)

    async def shake_hands(connection: SocketStream) -> None:
        await TLSStream.wrap(connection, ssl_context=context, standard_compatible=False)

    async def greet(connection: SocketStream) -> None:
        await connection.send(b"220 mail.example\r\n")

    if trusted:
        authority.cert_pem.write_to_path(folder / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    async with tcp_server(shake_hands if identity else greet) as port:
        found = await examined(folder, {"api": {"base_url": f"https://127.0.0.1:{port}", "auth": {"value": TOKEN}}})
    assert failures(found) == {failing}
    assert says in found[failing].text
    assert ("SSL_CERT_FILE" in found["route"].text) is trusted
    if found["tls"].outcome is Outcome.OK:
        assert "certificate of trustme" in found["tls"].text


@pytest.mark.parametrize(
    ("content", "flaw"), [(None, "unreadable: No such file"), ("no certificate", "no certificate file")]
)
async def test_an_unusable_file_of_certificates_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, flaw: str
) -> None:
    file = folder / "ca.pem"
    if content:
        file.write_text(content, encoding="utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    found = await examined(
        folder, {"api": {"base_url": "https://127.0.0.1:9", "auth": {"value": TOKEN}}}, until("route")
    )
    assert warnings(found) == {"route"}
    assert f"SSL_CERT_FILE ({file}), but that file is {flaw}" in found["route"].text


async def test_a_proxy_is_named_without_its_password_and_a_foreign_host_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = {"base_url": "http://api.vertesia.io/api/v1", "allow_plain_http": True, "auth": {"value": TOKEN}}

    async def answer(connection: SocketStream) -> None:
        while request := await connection.receive():
            assert request.startswith(b"GET http://api.vertesia.io/api/v1/runs")
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    async with tcp_server(answer) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:proxy-password@127.0.0.1:{port}")
        found = await examined(folder, {"api": api}, WITHOUT_OPERATIONS)
    assert not failures(found)
    assert warnings(found) == {"edition", "tls"}
    assert "host of vertesia" in found["edition"].text
    assert found["route"].facts == {"proxy": f"127.0.0.1:{port}"}
    assert "proxy-password" not in shown(found)


async def test_a_password_that_the_proxy_repeats_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = {"base_url": "http://api.vertesia.io/api/v1", "allow_plain_http": True, "auth": {"value": TOKEN}}

    async def refuse(connection: SocketStream) -> None:
        while await connection.receive():
            await connection.send(b'HTTP/1.1 400 No\r\nContent-Length: 28\r\n\r\n{"message":"proxy-password"}')

    async with tcp_server(refuse) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:proxy-password@127.0.0.1:{port}")
        found = await examined(folder, {"api": api}, WITHOUT_OPERATIONS)
    assert "[secret]" in shown(found)
    assert "proxy-password" not in shown(found)


async def test_an_unsupported_proxy_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    found = await examined(folder, {"api": {"base_url": "https://runs.example", "auth": {"value": TOKEN}}})
    assert found["route"].text.startswith("ALL_PROXY: socks5 proxies are not supported")


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "a-user", **claims}, "k" * 32, algorithm="HS256")


NOW = int(time.time())


@pytest.mark.parametrize(
    ("claims", "name", "outcome", "says"),
    [
        pytest.param({}, "expiry", Outcome.SKIPPED, "does not say", id="unsaid"),
        pytest.param({"exp": 4_000_000_000}, "expiry", Outcome.OK, "2096-10-02", id="far"),
        pytest.param({"exp": 10**20}, "expiry", Outcome.SKIPPED, "does not say", id="nonsense"),
        pytest.param({"exp": NOW + 3_600}, "expiry", Outcome.WARNING, "soon", id="soon"),
        pytest.param({"exp": NOW - 3_600}, "expiry", Outcome.FAILED, "the token expired 1 h ago", id="past"),
        pytest.param({"project": {"id": "p1"}}, "credential", Outcome.OK, "project p1", id="project"),
        pytest.param({"account": {"name": "A\nB"}}, "credential", Outcome.OK, "account A B", id="a name in two lines"),
    ],
)
async def test_the_claims_of_a_token_are_reported(
    folder: Path, claims: dict[str, Any], name: str, outcome: Outcome, says: str
) -> None:
    found = await asking(folder, {}, auth={"value": token(**claims)})
    assert found[name].outcome is outcome
    assert says in found[name].text


@pytest.mark.parametrize(
    ("told_by", "skew_s", "says"),
    [
        pytest.param("date", 7_200, "s behind the API's", id="by the answer"),
        pytest.param("date", -7_200, "s ahead of the API's", id="by the answer, too far"),
        pytest.param("iat", 7_200, "s behind the API's", id="by a token from the future"),
        pytest.param("exp", -7_200, "s ahead of the API's", id="by an expired token that is taken"),
    ],
)
async def test_a_wrong_clock_is_a_warning(folder: Path, told_by: str, skew_s: int, says: str) -> None:
    moment = int(time.time()) + skew_s
    date = formatdate(moment, usegmt=True) if told_by == "date" else ""
    claims = {} if told_by == "date" else {told_by: moment}
    async with upstream.serving({**GOOD, "GET /runs": reply([RUN], headers={"date": date})}, date=False) as served:
        api = {"base_url": f"{served.url}/api/v1", "auth": {"value": token(**claims)}}
        found = await examined(folder, {"api": api}, WITHOUT_OPERATIONS)
    assert "clock" in warnings(found)
    assert says in found["clock"].text
    assert abs(abs(found["clock"].facts["skew_s"]) - 7_200) < 60


async def test_a_redis_that_cannot_be_used_is_a_failure_that_shows_no_password(folder: Path) -> None:
    settings = {"server": {"redis_url": "redis://:a-pass-word@127.0.0.1:9/0"}}
    found = await examined(folder, settings, until("redis"))
    assert failures(found) == {"redis"}
    assert found["redis"].text.startswith("server.redis_url: Redis cannot be used: ConnectionError")
    assert "a-pass-word" not in shown(found)


@pytest.mark.parametrize("source", ["file", "value"])
async def test_a_secret_readable_by_others_is_a_warning(folder: Path, source: str) -> None:
    secret = folder / "secret"
    secret.write_text(TOKEN, encoding="utf-8")
    secret.chmod(0o644)
    auth = {"file": str(secret)} if source == "file" else {"value": TOKEN}
    file = folder / "open.json"
    file.write_text(json.dumps({"api": {"base_url": "http://127.0.0.1:9", "auth": auth}}), encoding="utf-8")
    file.chmod(0o644)
    found: dict[str, Finding] = {}
    await examine(file, on_finding=found.__setitem__, checks=until("secret"))
    assert warnings(found) == {"secret"}
    assert found["secret"].fix == f"chmod 600 {secret if source == 'file' else file}"
    assert report.exit_code(found) == 0


@pytest.mark.parametrize(
    ("variable", "auth"), [("SOME_TOKEN", {"env": "SOME_TOKEN"}), ("RUNS_MCP_API__AUTH__VALUE", {})]
)
async def test_a_variable_that_a_chat_client_may_not_see_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, auth: dict[str, str]
) -> None:
    monkeypatch.setenv(variable, TOKEN)
    found = await asking(folder, {}, auth=auth)
    assert warnings(found) == {"secret"}
    assert f"Set {variable}" in (found["secret"].fix or "")


async def test_a_relative_file_that_a_chat_client_may_not_find_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    secret = folder / "secret"
    secret.write_text(TOKEN, encoding="utf-8")
    secret.chmod(0o600)
    monkeypatch.setenv("RUNS_MCP_API__AUTH__FILE", "secret")
    found = await asking(folder, {}, auth={})
    assert warnings(found) == {"secret"}
    assert found["secret"].fix == f"Set api.auth.file to {secret}."


async def test_a_command_is_run_once(folder: Path) -> None:
    script = folder / "print-token"
    script.write_text(f"#!/bin/sh\necho again >> {folder}/times\necho {TOKEN}\n", encoding="utf-8")
    script.chmod(0o700)
    found = await asking(folder, {"GET /runs": reply({}, 401)}, auth={"command": str(script)})
    assert failures(found) == {"api"}
    assert (folder / "times").read_text(encoding="utf-8") == "again\n"


@pytest.mark.parametrize(("secret", "kind", "other"), [("sk-12345", "token", "api_key"), (token(), "api_key", "token")])
async def test_a_secret_of_the_other_kind_is_not_sent(folder: Path, secret: str, kind: str, other: str) -> None:
    async with upstream.serving({}) as served:
        api = {"base_url": f"{served.url}/api/v1", "auth": {"kind": kind, "value": secret}}
        found = await examined(folder, {"api": api})
    assert failures(found) == {"secret"}
    assert found["secret"].fix == f'Set api.auth.kind to "{other}".'
    assert served.asked == []


def sent(request: Request) -> str:
    """Return the credential of a request, which the following APIs repeat."""
    return request.headers.get("authorization", "").removeprefix("Bearer ") or request.query_params["token"]


async def in_message(request: Request) -> Response:
    return JSONResponse({"message": f"bad token {sent(request)}"}, 401)


async def cut_off(request: Request) -> Response:
    return JSONResponse({"message": f"{'x' * 484} {sent(request)}"}, 401)


async def in_headers(request: Request) -> Response:
    return Response("no", 302, {"location": f"/{sent(request)}", "content-type": sent(request)})


async def in_runs(request: Request) -> Response:
    return JSONResponse([{"id": sent(request), "status": sent(request), "result": sent(request)}])


ECHOES = (in_message, cut_off, in_headers, in_runs)


@pytest.mark.parametrize("secret", ["opaque/secret+token=", "opaque-secret-token", token(name="secret")])
@pytest.mark.parametrize("echo", ECHOES)
async def test_a_token_is_not_shown_though_the_api_repeats_it(folder: Path, secret: str, echo: Reply) -> None:
    found = await asking(folder, {"GET /runs": echo, "GET /runs/": echo}, auth={"value": secret})
    assert "api" in found
    assert secret[:12] not in shown(found)


@pytest.mark.parametrize("exchanged", ["opaque-secret-token", token(name="secret")])
@pytest.mark.parametrize("echo", [None, *ECHOES])
async def test_neither_key_nor_exchanged_token_is_shown(folder: Path, exchanged: str, echo: Reply | None) -> None:
    replies = {"GET /auth/token": echo or reply({"token": exchanged}), "GET /runs": in_message}
    found = await asking(folder, replies, auth={"kind": "api_key", "value": "sk-very-secret-key"})
    assert "very-secret" not in shown(found)
    assert exchanged not in shown(found)
    assert failures(found) == ({"api"} if echo is None else {"credential"})


async def test_a_slow_check_is_cut_off_and_its_dependents_are_skipped(folder: Path) -> None:
    @check("slow", within_s=0.01)
    async def slow(_: Examination) -> Finding:
        await anyio.sleep_forever()
        raise AssertionError

    @check("next", after=["slow"])
    async def following(_: Examination) -> Finding:
        return ok("checked")

    @check("other")
    async def other(_: Examination) -> Finding:
        return ok("checked")

    found = await examined(folder, {}, [slow, following, other])
    assert [finding.outcome for finding in found.values()] == [Outcome.FAILED, Outcome.SKIPPED, Outcome.OK]
    assert "took longer" in found["slow"].text


async def test_all_checks_together_have_a_deadline(folder: Path) -> None:
    @check("patient", within_s=60)
    async def patient(_: Examination) -> Finding:
        await anyio.sleep_forever()
        raise AssertionError

    @check("other")
    async def other(_: Examination) -> Finding:
        return ok("checked")

    found: dict[str, Finding] = {}
    await examine(None, on_finding=found.__setitem__, checks=[patient, other], within_s=0.01)
    assert failures(found) == {"patient"}
    assert skipped(found) == {"other"}


async def test_a_crashing_check_is_reported_as_a_finding(folder: Path) -> None:
    @check("crashing")
    async def crashing(_: Examination) -> Finding:
        raise RuntimeError("with a secret")

    found = await examined(folder, {}, [crashing])
    assert found["crashing"].text == "the check itself failed (RuntimeError)"


def test_every_operation_has_a_check_and_every_check_is_described() -> None:
    # aggregate_runs has no operation of its own: it uses those of facets, find and search.
    assert {one.name for one in TOOLS} - {"aggregate_runs"} <= {one.name for one in CHECKS}
    assert [one.name for one in CHECKS if f"`{one.name}`" not in PAGE] == []
