"""JSON schemas that take forever to check fail their run, and the sandbox continues."""

import contextlib
import signal
import sys
from typing import Any

import anyio
import httpx
import pytest

from runs_mcp.sandbox import schema_check
from tests.clients.processes import sandbox_process
from tests.sandbox.sandbox_client import JsonObject, create, signed_in

pytestmark = pytest.mark.anyio

PROMPTS = [{"role": "user", "content": "a" * 40 + "!", "content_type": "text"}]
BACKTRACKING = {"pattern": "^(a+)+$"}
KEYS = {"patternProperties": {"^((((.?){9}){9}){9}){9}$x": {}}, "additionalProperties": False}
MULTIPLYING = {
    "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n - 1}"}] * 10} for n in range(1, 12)} | {"d0": {}},
    "$ref": "#/$defs/d11",
}
ENDLESS = pytest.mark.parametrize("schema", [BACKTRACKING, MULTIPLYING], ids=["a pattern", "references"])


@ENDLESS
async def test_an_endless_schema_check_fails_its_run(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, schema: JsonObject
) -> None:
    monkeypatch.setattr(schema_check, "MAX_SECONDS", 1)
    run = await create(api, "tmp:text", {}, prompts=PROMPTS, result_schema=schema)
    assert run["status"] == "failed"
    assert run["error"]["code"] == "invalid_result"
    assert "cannot be checked within" in run["error"]["message"]


async def test_patterns_of_property_names_are_checked(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_check, "MAX_SECONDS", 1)
    run = await create(api, "ClassifySentiment", {"text": "Good."}, result_schema=KEYS)
    assert run["error"]["code"] == "invalid_result"


@pytest.mark.parametrize("schema", [{"type": 3}, {"pattern": "("}, {"patternProperties": {"[": {}}}], ids=str)
async def test_an_invalid_schema_is_a_400(api: httpx.AsyncClient, schema: JsonObject) -> None:
    response = await api.post("/runs", json={"interaction": "AlwaysFails", "result_schema": schema})
    assert response.status_code == 400
    assert response.json()["message"].startswith("result_schema is not a JSON schema")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.slow
async def test_requests_and_signals_are_handled_during_endless_schema_checks(name: str) -> None:
    body = {"interaction": "tmp:text", "prompts": PROMPTS, "result_schema": BACKTRACKING}
    async with sandbox_process("--runs", "1") as (url, process), signed_in(url) as client:

        async def post() -> None:
            with contextlib.suppress(httpx.TransportError):  # the end of the process breaks the connection
                await client.post("/runs", json=body)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(post)
            await _processing(client, 2)
            with anyio.fail_after(30):
                assert (await client.get(f"{url}/healthz")).text == "ok"
                assert len((await client.get("/runs")).json()) > 1
                process.send_signal(getattr(signal, name))
                await process.wait()


async def _processing(client: httpx.AsyncClient, count: int) -> None:
    """Wait until at least `count` runs are executing."""
    with anyio.fail_after(30):
        while True:
            runs: Any = (await client.get("/runs", params={"status": "processing"})).json()
            if len(runs) >= count:
                return
            await anyio.lowlevel.checkpoint()
