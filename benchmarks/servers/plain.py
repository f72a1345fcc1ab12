"""Simple server with the SDK's MCPServer, typed results and httpx, over stdio or over HTTP at a port."""

import json
import os
import sys
from typing import Any

import httpx
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel, ConfigDict

server = MCPServer("plain", log_level="ERROR")
client = httpx.AsyncClient(
    base_url=os.environ["API_URL"],
    limits=httpx.Limits(max_connections=None),
    timeout=None,  # noqa: S113 - the default lets a hundred streams block all other requests
)


class Run(BaseModel):
    """A run."""

    model_config = ConfigDict(extra="allow")
    id: str
    status: str
    interaction: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    tags: list[str] = []
    result: Any = None


@server.tool()
async def list_runs(limit: int = 10) -> list[Run]:
    """List runs."""
    return [Run.model_validate(run) for run in (await client.get("/runs", params={"limit": limit})).json()]


@server.tool()
async def get_run(run_id: str) -> Run:
    """Read a run."""
    return Run.model_validate((await client.get(f"/runs/{run_id}")).json())


@server.tool()
async def stream_run(run_id: str, context: Context) -> Run:
    """Follow a run."""
    count = 0
    async with client.stream("GET", f"/runs/{run_id}/stream") as response:
        async for line in response.aiter_lines():
            if line.startswith('data: "'):
                count += 1
                await context.report_progress(count, message=json.loads(line.removeprefix("data: ")))
    return await get_run(run_id)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
