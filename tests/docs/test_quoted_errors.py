"""The program prints every text that the troubleshooting guide quotes."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import jwt
import pytest
from starlette.requests import Request as StarletteRequest
from starlette.responses import HTMLResponse, Response

from tests.docs.documents import tokens
from tests.docs.provoked_errors import (
    Check,
    CutOff,
    EndedWorker,
    Full,
    Provoked,
    Request,
    Taken,
    Terminal,
    Tool,
    Untrusted,
)
from tests.upstream import events, reply

pytestmark = pytest.mark.anyio

GUIDE = Path("docs/troubleshooting.md")
TOKEN = {"COMPOSABLE_TOKEN": "a-token"}
GIVEN = {"auth": {"value": "a-token"}}
BEARER = {"Authorization": "Bearer KEY"}
OPEN = {"http": {"auth": {"kind": "none"}}}
EXPIRED = jwt.encode({"exp": datetime.now(UTC) - timedelta(days=1)}, "a" * 32)
CREATE = {"interaction": "66a1f0c2e4b0a1b2c3d40001"}
KEYED = {**CREATE, "request_key": "k"}
IMPATIENT = {"streaming": {"max_wait_s": 0.05}}
MANAGED = {"api": {"edition": "vertesia"}, "server": {"manage": True}}
CREATED = {"id": "r1", "status": "created"}
ENVIRONMENTS = [{"id": "e1", "name": "Staging", "count": 1}, {"id": "e2", "name": "Staging", "count": 2}]


async def lost(_: StarletteRequest) -> Response:
    """Break the connection before an answer."""
    raise ConnectionAbortedError


async def hang(_: StarletteRequest) -> Response:
    """Never answer."""
    await anyio.sleep_forever()
    raise AssertionError


async def login(_: StarletteRequest) -> Response:
    """Answer with a login page."""
    return HTMLResponse("<h1>Log in</h1>")


def listing(status: int) -> Tool:
    """Return a call of list_runs that the API refuses with `status`."""
    return Tool("list_runs", {}, {"GET /runs": reply({"message": "No"}, status)})


DATED = [{"id": f"r{minute}", "created_at": f"2026-11-19T14:{minute}:00Z"} for minute in range(10, 50)]
HOW: dict[str, Provoked] = {
    "runs-mcp: command not found": Terminal("PATH=/nonexistent; runs-mcp"),
    "No such command '…'": Terminal("runs-mcp serv"),
    "unknown client; choose from …": Terminal("runs-mcp install netscape --sandbox"),
    "There is no configuration file for the server.": Terminal("runs-mcp install cursor"),
    "… was not changed. …": Terminal("mkdir .cursor; echo { > .cursor/mcp.json; runs-mcp install cursor --sandbox"),
    "A symbolic link leads to …, which is outside …": Terminal("ln -s /tmp .cursor; runs-mcp install cursor --sandbox"),
    "Warning: … may not pass $… to the server": Terminal("runs-mcp install cursor --no-start", {}, TOKEN),
    "The entry is in place, but the server does not answer …: …": Terminal("runs-mcp install cursor", {}, TOKEN),
    "Cannot serve on …: Address already in use. Stop the program that listens there, or choose another port.": Taken(
        "runs-mcp serve --sandbox --http"
    ),
    "--host …: server.http.auth.kind is none, which serves loopback only (127.0.0.1).": Terminal(
        "runs-mcp serve --http --host 0.0.0.0", {"api": GIVEN}
    ),
    "server.http.auth.kind is none: keys need bearer and a keys_file.": Terminal("runs-mcp keys list"),
    "… cannot be read: No such file or directory; `runs-mcp keys add` creates it.": Terminal(
        "runs-mcp keys list", {"server": {"http": {"auth": {"kind": "bearer", "keys_file": "keys.json"}}}}
    ),
    "… already has a key. Remove it first, or keep both valid for a while: --overlap.": Terminal(
        "runs-mcp keys add ci; runs-mcp keys add ci",
        {"server": {"http": {"auth": {"kind": "bearer", "keys_file": "keys.json"}}}},
    ),
    "….md is no prompt: …": Terminal(
        "touch own.md; python -c 'from pathlib import Path; from runs_mcp.server.prompts.prompt_file import load; "
        'list(load(Path(".")))\''
    ),
    "… cannot be read: No such file or directory.": Terminal("runs-mcp serve --config nowhere.json"),
    "… is not JSON: …": Terminal("runs-mcp serve", "{'a': 1}"),
    "…: unknown key. Did you mean …?": Terminal("runs-mcp serve", {"api": {"editon": "vertesia"}}),
    "Unknown environment variable RUNS_MCP_…. Did you mean RUNS_MCP_…?": Terminal(
        "RUNS_MCP_API__EDITON=vertesia runs-mcp serve"
    ),
    "…: Input should be …": Terminal("runs-mcp serve", {"streaming": {"max_wait_s": 0}}),
    "api.auth: set exactly one of value, env, file, command (not … and …)": Terminal(
        "RUNS_MCP_API__AUTH__FILE=secret runs-mcp serve", {"api": GIVEN}
    ),
    "api.auth.env (…): this environment variable is not set.": Terminal("runs-mcp serve"),
    "api.auth.file (…): cannot be read: …": Terminal("runs-mcp serve", {"api": {"auth": {"file": "secret"}}}),
    "api.auth.value: the secret holds a space": Terminal(
        "runs-mcp serve", {"api": {"auth": {"value": "export TOKEN=x"}}}
    ),
    "api.auth.token_url: set it; the address where … exchanges API keys is unknown": Terminal(
        "runs-mcp serve",
        {"api": {"edition": "vertesia", "base_url": "https://runs.example.com/api/v1", "auth": {"value": "sk-1"}}},
    ),
    "http would send the credential unencrypted; use https, or set api.allow_plain_http": Terminal(
        "runs-mcp serve", {"api": {**GIVEN, "base_url": "http://runs.example.com/api/v1"}}
    ),
    "server.tools: no such tool: …. Known: …": Terminal(
        "runs-mcp serve", {"api": GIVEN, "server": {"tools": ["list_run"]}}
    ),
    "profiles: server.http.auth.kind is none, so callers have no names; set bearer or jwt": Terminal(
        "runs-mcp serve", {"profiles": {"a": {"callers": ["x"]}}}
    ),
    "… does not resolve: …": Check(api={"base_url": "https://nowhere.invalid/api/v1"}),
    "… refuses connections": Check(api={"base_url": "http://127.0.0.1:9/api/v1"}),
    "the certificate is not trusted: …": Untrusted(lambda api: Check(api=api)),
    "… holds an API key": Check(api={"auth": {"value": "sk-1", "kind": "token"}}),
    "the token expired … ago (…)": Check({"GET /runs": reply([])}, {"auth": {"value": EXPIRED}}),
    "The Runs API found nothing there (404)": Check({"GET /runs": reply({}, 404)}),
    "the answer is not from the API; it may be a web page or the login page of a proxy": Check({"GET /runs": login}),
    "Unknown tool: '…'. Known: …": Tool("list_run", {}),
    "`…` is not an argument of this tool. Did you mean `…`? Nothing was sent.": Tool("list_runs", {"limt": 3}),
    "`…`: Input should be … (got …). Nothing was sent.": Tool("list_runs", {"limit": 300}),
    "`…`: no run has used '…'.": Tool(
        "list_runs", {"environment": "Nowhere"}, {"GET /runs/filter-options/environment": reply(ENVIRONMENTS)}
    ),
    "`…`: … have the name …: … Pass an id.": Tool(
        "list_runs", {"environment": "Staging"}, {"GET /runs/filter-options/environment": reply(ENVIRONMENTS)}
    ),
    "The Runs API did not accept the server's credential (401).": listing(401),
    "The server's credential may not do this (403).": listing(403),
    "The server's credential may not use MongoDB filters, and no search has the same meaning as this one.": Tool(
        "find_runs", {"query": {"execution_time": {"$gt": 5}}}, {"POST /runs/find": reply({"message": "No"}, 403)}
    ),
    "Others may exist: the credential may not list the values that runs have, …": Tool(
        "get_run_filter_options",
        {"field": "tag"},
        {"GET /runs/filter-options/tag": reply({}, 403), "GET /runs": reply([{"id": "r1", "tags": ["a"]}])},
    ),
    "Incomplete: only … runs were counted, and more match; narrow the filters, e.g. by start": Tool(
        "compute_run_facets",
        {"facets": ["models"]},
        {"POST /runs/facets": reply({}, 403), "POST /runs/find": reply({}, 403), "POST /runs/search": reply(DATED)},
        {"server": {"max_scan": 20}},
    ),
    "The Runs API found nothing there (404).": listing(404),
    "The Runs API rejected the request (…).": listing(422),
    "The Runs API is limiting its rate (429).": listing(429),
    "The Runs API failed (…).": listing(500),
    "The Runs API cannot be reached (…).": Tool("list_runs", {}, settings={"api": {"base_url": "http://127.0.0.1:9"}}),
    "The Runs API did not answer in time (…).": Tool(
        "list_runs", {}, {"GET /runs": events(anyio.Event())}, {"api": {"timeout_s": 0.05}}
    ),
    "The connection to the Runs API broke (…).": Tool("list_runs", {}, {"GET /runs": events(None)}),
    "The Runs API has not answered within … s.": Tool("list_runs", {}, {"GET /runs": hang}, IMPATIENT),
    "The Runs API answered with status …": listing(302),
    "The answer of the Runs API is above … bytes (api.max_response_bytes).": Tool(
        "list_runs", {}, {"GET /runs": reply(["x" * 100_000])}, {"api": {"max_response_bytes": 100_000}}
    ),
    "The certificate of the Runs API is not trusted, so nothing was sent to it.": Untrusted(
        lambda api: Tool("list_runs", {}, settings={"api": api})
    ),
    "The Runs API answered something that is not JSON (…).": Tool("list_runs", {}, {"GET /runs": login}),
    "Still running; do not create it again. Continue with stream_run(…).": Tool(
        "create_run",
        CREATE,
        {"POST /runs": reply(CREATED), "GET /runs/r1/stream": events(anyio.Event())},
        {"streaming": {"max_wait_s": 0.05}},
    ),
    "No run has the tag …, so no run was created. Create the run again if you still want it.": Tool(
        "create_run", CREATE, {"POST /runs": lost, "GET /runs": reply([])}
    ),
    (
        "The same call was cut off before its answer arrived. "
        "This answer shows the runs of that call; no new run was created."
    ): CutOff(),
    "The create request continues in the background, and its run will be executed. Do not create it again": Tool(
        "create_run", CREATE, {"POST /runs": hang}, IMPATIENT
    ),
    "This request_key was used for a different request (…): use another key.": Tool(
        "create_run", {**KEYED, "data": {"n": 2}}, {"POST /runs": hang, "GET /runs": reply([])}, IMPATIENT, KEYED
    ),
    "The server is answering … calls already (server.max_calls).": Tool(
        "create_run", CREATE, {"POST /runs": hang}, {**IMPATIENT, "server": {"max_calls": 1}}, CREATE
    ),
    "It is not known whether a run was created.": Tool(
        "create_run", CREATE, {"POST /runs": lost, "GET /runs": reply({}, 500)}
    ),
    "Run … was accepted, but following it failed.": Tool(
        "create_run",
        CREATE,
        {"POST /runs": reply(CREATED), "GET /runs/r1/stream": reply({}, 500), "GET /runs/r1": reply({}, 500)},
    ),
    "Run … was created and has not been started. Following would start it, which this caller may not do": Tool(
        "stream_run", {"run_id": "r1"}, {"GET /runs/r1": reply(CREATED)}, {"server": {"read_only": True}}
    ),
    "This server requires that a person confirms each new run (server.confirm_create)": Tool(
        "create_run", CREATE, settings={"server": {"confirm_create": True}}
    ),
    "create_run needs the scope runs:create, which this caller does not have.": Request(BEARER, tool="create_run"),
    "No run was deleted: …. A person has to confirm it.": Tool(
        "delete_runs", {"run_ids": ["r1"]}, settings={**MANAGED, "server": {"manage": True, "confirm_create": True}}
    ),
    "It is not known whether this run was changed.": Tool(
        "delete_runs", {"run_ids": ["r1"]}, {"DELETE /runs/r1": lost}, MANAGED
    ),
    "At most … runs may be started in any hour (server.create_limit.per_hour)": Tool(
        "create_run", {**CREATE, "inputs": [{}, {}]}, settings={"server": {"create_limit": {"per_hour": 1}}}
    ),
    "Run … has no parameters: it is too old, or its content may not be read.": Tool(
        "create_run", {"like": "r1"}, {"GET /runs/r1": reply({"id": "r1", "interaction": {"id": "i1"}})}
    ),
    "The arguments have … bytes; at most … are accepted (server.max_arguments_bytes).": Tool(
        "create_run", {**CREATE, "data": {"text": "x" * 20_000}}, settings={"server": {"max_arguments_bytes": 10_000}}
    ),
    "… characters cut; whole in runs://…": Tool(
        "get_run",
        {"run_id": "r1"},
        {"GET /runs/r1": reply({"id": "r1", "status": "completed", "result": "x" * 5_000})},
        {"server": {"max_result_chars": 1_000}},
    ),
    "400 The body of the request is not JSON: …": Request(BEARER, body=b"{"),
    "400 The body of the request must be one JSON-RPC 2.0 message": Request(BEARER, body=b"{}"),
    "401 Authentication is required": Request(),
    "401 The Authorization header needs `Bearer ` before the key or JWT": Request({"Authorization": "KEY"}),
    "401 The token is expired, revoked, or was not issued for this server": Request({"Authorization": "Bearer x"}),
    "403 Needed: runs:read": Request(BEARER, scopes=("runs:create",)),
    "403 No profile of this server matches this caller; its operator can add a profile": Request(
        BEARER, profiles={"a": {"callers": ["x"]}}
    ),
    "403 Invalid Origin header": Request({**BEARER, "Origin": "https://example.com"}),
    "404 Not Found": Request(BEARER, path="/"),
    "413 The body of the request is larger than … bytes.": Request(
        BEARER, body=b"x" * 50_000, server={"max_arguments_bytes": 10_000}
    ),
    "421 Invalid Host header": Request({**BEARER, "Host": "runs.example.com"}),
    "429 … requests a minute are allowed (rate_limit).": Request(BEARER, rate_limit=1, times=2),
    "502 The process that holds the session did not answer. The request may have had an effect.": EndedWorker(),
    "503 … requests are being served already (server.http.max_requests).": Full(),
}
"""Each text as quoted in the guide, after its status if it has one, and the way to provoke it."""


def quoted() -> Iterator[str]:
    """Yield the texts that the guide's tables quote as code, in the first column, or in the second after a status."""
    cells: list[str] = []
    for token in tokens(GUIDE):
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            cells.append(token.content)
        elif token.type == "tr_close":
            status, said = (cells[0], cells[1]) if cells[0].isdigit() else ("", cells[0])
            if code := re.fullmatch(r"(`+) ?(.+?) ?\1", said):
                yield f"{status} {code[2]}".strip()


def pattern(text: str) -> str:
    """Return a pattern for a text, with anything in place of `…` and between a status and the text."""
    status, _, said = text.partition(" ") if text[:3].isdigit() else ("", "", text)
    return f"{status}.*{re.escape(said)}".replace("…", ".+")


@pytest.mark.parametrize("text", HOW)
@pytest.mark.usefixtures("quick_polls")
@pytest.mark.slow
async def test_quoted_errors_occur(text: str, tmp_path: Path) -> None:
    said = " ".join((await HOW[text].says(tmp_path)).split())
    assert re.search(pattern(text), said), said


def test_the_guide_quotes_exactly_the_provoked_errors() -> None:
    assert [*quoted()] == [*HOW]
