"""An API that repeats the server's token in any encoding: no output of the process contains the token."""

import base64
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from tests import upstream
from tests.calls import PATIENT, Notifications, call
from tests.conftest import HANDSHAKE, MODERN
from tests.upstream import CLOSE, Replies, Reply, chunk, events, reply

pytestmark = pytest.mark.anyio

TOKEN = "opaque/token+of=the~service"
FORMS = {
    "plain": TOKEN,
    "percent": quote(TOKEN, safe=""),
    "base64": base64.b64encode(TOKEN.encode()).decode(),
    "json": TOKEN.replace("/", "\\/"),
}


def echoes(form: str) -> Replies:
    run = {"id": "r1", "status": "completed", "result": {"text": form, form: 1}, "tags": [form], "interaction": form}
    failing: Reply = reply({"message": f"refused {form}"}, 400)
    return {
        "GET /runs": reply([run]),
        "GET /runs/r1": reply(run),
        "POST /runs": reply({"id": "r1", "status": "created"}),
        "GET /runs/r1/stream": events(chunk(form.replace("\\", "\\\\")), CLOSE),
        "POST /runs/search": failing,
        "GET /runs/filter-options/tag": reply([{"id": form, "name": form, "count": 1}]),
    }


@pytest.mark.parametrize(
    "mode",
    [pytest.param(HANDSHAKE, id="handshake"), pytest.param(MODERN, id="2026-07-28", marks=pytest.mark.slow)],
)
async def test_nothing_that_the_process_emits_holds_the_token(mode: str, tmp_path: Path) -> None:
    emitted: list[str] = []
    log = tmp_path / "stderr"
    async with upstream.serving(echoes(" ".join(FORMS.values()))) as api:
        environment = {
            "RUNS_MCP_API__BASE_URL": f"{api.url}/api/v1",
            "RUNS_MCP_API__AUTH__VALUE": TOKEN,
            "RUNS_MCP_LOG_LEVEL": "debug",
        }
        command = StdioServerParameters(command=sys.executable, args=["-m", "runs_mcp", "serve"], env=environment)
        with log.open("w") as stderr, anyio.fail_after(60):
            async with Client(stdio_client(command, errlog=stderr), mode=mode, client_info=PATIENT) as client:
                calls: dict[str, dict[str, Any]] = {
                    "list_runs": {},
                    "get_run": {"run_id": "r1"},
                    "search_runs": {"query": "a"},
                    "get_run_filter_options": {"field": "tag"},
                    "create_run": {"interaction": "i"},
                }
                for tool, arguments in calls.items():
                    progress = Notifications()
                    emitted.append((await call(client, tool, progress=progress, **arguments)).result.model_dump_json())
                    emitted.append(progress.text)
                emitted.append((await client.read_resource("runs://r1")).model_dump_json())
                emitted.append((await client.list_resources()).model_dump_json())
                with suppress(MCPError):
                    emitted.append((await client.read_resource("runs://r1?path=/nothing")).model_dump_json())
    everything = "\n".join([*emitted, log.read_text()])
    assert "[secret]" in everything
    for held in (*FORMS.values(), *(json.dumps(one)[1:-1] for one in FORMS.values())):
        assert held not in everything
