"""What one writes in ten minutes: the SDK's MCPServer, typed results, httpx."""

import os
from typing import Any

import httpx
from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, ConfigDict

server = MCPServer("plain")
client = httpx.AsyncClient(base_url=os.environ["API_URL"])


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


if __name__ == "__main__":
    server.run()
