"""No credential appears in the output of the process: results, errors, progress and debug logs, in every mode."""

import json
import sys
from pathlib import Path

import anyio
import jwt
import psutil
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests import upstream
from tests.calls import PATIENT, Notifications, call
from tests.clients.processes import CLEAN
from tests.upstream import CLOSE, Replies, chunk, events, reply

pytestmark = pytest.mark.anyio

KEY = "sk-very-secret-key-0123456789"
TOKEN = jwt.encode({"exp": 4_000_000_000, "name": "secret"}, "k" * 32, algorithm="HS256")
CREATED = {"id": "r1", "status": "created"}
DONE = {"id": "r1", "status": "completed", "result": "Hello"}


async def broken(_: Request) -> Response:
    raise ConnectionAbortedError


async def echo(request: Request) -> Response:
    """An API that repeats the credential in its error."""
    return JSONResponse({"message": f"bad token {request.headers.get('authorization')}"}, 401)


@pytest.mark.parametrize(
    "in_query",
    [pytest.param(False, id="header"), pytest.param(True, id="query parameter", marks=pytest.mark.slow)],
)
async def test_neither_key_nor_token_is_ever_emitted(tmp_path: Path, *, in_query: bool) -> None:
    replies: Replies = {
        "GET /auth/token": reply({"token": TOKEN}),
        "GET /runs": [reply([DONE]), broken, echo],
        "GET /runs/r1": reply(DONE),
        "POST /runs": reply(CREATED),
        "GET /runs/r1/stream": [events(chunk("Hello"), CLOSE), events(chunk("Hel"), None), broken],
    }
    log = tmp_path / "log.txt"
    emitted: list[str] = []
    async with upstream.serving(replies) as api:
        settings = {
            "log_level": "debug",
            "api": {"base_url": f"{api.url}/api/v1", "auth": {"kind": "api_key", "value": KEY}, "max_retries": 0},
            "streaming": {"token_in_query": in_query},
        }
        file = tmp_path / "config.json"
        file.write_text(json.dumps(settings), encoding="utf-8")
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "runs_mcp", "serve", "--config", str(file)], env=CLEAN
        )
        with log.open("w", encoding="utf-8") as errors:
            async with Client(stdio_client(server, errlog=errors), mode="legacy", client_info=PATIENT) as client:
                progress = Notifications()
                for tool, arguments in (
                    ("list_runs", {}),
                    ("list_runs", {}),
                    ("list_runs", {}),
                    ("get_run", {"run_id": "r1"}),
                    ("create_run", {"interaction": "i"}),
                    ("create_run", {"interaction": "i"}),
                    ("create_run", {"interaction": "i"}),
                ):
                    answer = await call(client, tool, progress=progress, **arguments)
                    emitted.append(answer.result.model_dump_json())
                with pytest.raises(MCPError) as refused:
                    await client.list_resources()
                emitted += [str(progress.messages), str(refused.value), client.instructions or ""]
                emitted += [str(process.cmdline()) for process in psutil.Process().children(recursive=True)]
        emitted.append(await anyio.Path(log).read_text(encoding="utf-8"))
    everything = "".join("".join(emitted).split())
    assert '"level":"debug"' in everything, "debug logs are on"
    assert "'runs_mcp','serve'" in everything, "the process list was read"
    assert KEY not in everything
    assert TOKEN not in everything
    assert TOKEN.split(".")[1] not in everything
    assert "GET /runs/r1/stream" in api.asked
