"""Size of tools and results: compared with tools generated from an OpenAPI document, and with the JSON of the API.

Tokens are estimated as characters / 4. FastMCP, which generates the other tools, is installed on the first run.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import click
import httpx
from mcp.client import Client
from mcp_types import TextContent

from benchmarks import report
from benchmarks.peers import FASTMCP
from runs_mcp import __version__
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import DEMO_KEY, SandboxOptions, running
from runs_mcp.server import build_server
from runs_mcp.server.tools import OPERATIONS
from tests.clients.interpreter import python_with

HERE = Path(__file__).parent
DOCUMENTS = (HERE / "runs-openapi.json", HERE / "runs-openapi-types.json")
GENERATE = """
import asyncio, json, sys
import httpx2
from fastmcp import Client, FastMCP

async def main():
    document = json.load(open(sys.argv[1]))
    server = FastMCP.from_openapi(openapi_spec=document, client=httpx2.AsyncClient(base_url="http://127.0.0.1:9"))
    async with Client(server) as client:
        tools = await client.list_tools()
    print(json.dumps([tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools]))

asyncio.run(main())
"""
CHARS_PER_TOKEN = 4
INTERACTION_TOOLS = (5, 20)
"""Numbers of interactions that are published as tools."""
LISTED = {
    *(
        "id",
        "interaction",
        "environment",
        "modelId",
        "status",
        "created_at",
        "updated_at",
        "account",
        "project",
        "tags",
    ),
    *("parent", "error", "execution_time", "token_use", "finish_reason", "created_by"),
}
"""Fields of a run in a list according to the reference, and other fields of at most a line."""
PAGES: dict[str, tuple[str, dict[str, Any], str, str, dict[str, Any] | None]] = {
    "list_runs, 10 runs": ("list_runs", {"limit": 10}, "GET", "/runs?limit=10", None),
    "list_runs, 10 failed runs": (
        "list_runs",
        {"limit": 10, "status": "failed"},
        "GET",
        "/runs?limit=10&status=failed",
        None,
    ),
    "search_runs, 10 runs": ("search_runs", {"limit": 10}, "POST", "/runs/search", {"limit": 10, "query": {}}),
}


@click.command()
@report.write_option
def main(*, write: bool) -> None:
    """Measure the size of tools and results."""
    report.publish("tokens", anyio.run(measure_tables), write=write)


async def measure_tables() -> str:
    """Return the three tables, in Markdown."""
    generated = {document.name: generated_tools(document) for document in DOCUMENTS}
    async with running(SandboxOptions()) as sandbox:
        config = Config(api=sandbox_api(sandbox.url, ApiSettings()))
        async with Client(build_server(config).mcp) as client:
            listed = (await client.list_tools()).tools
            ours = [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in listed]
            pages = [await page(client, sandbox.url, name) for name in PAGES]
    typed = await typed_rows()
    return "\n".join(
        [
            "| `tools/list` | tokens | largest tool | described parameters | ours |",
            "|---|---|---|---|---|",
            tools_row(f"runs-mcp {__version__}", ours, ours),
            *(
                tools_row(f"{FASTMCP.replace('==', ' ')}, generated from `{name}`", tools, ours)
                for name, tools in generated.items()
            ),
            "",
            "| tools of interactions | tools | tokens of `tools/list` |",
            "|---|---|---|",
            *typed,
            "",
            "| a page as text | characters | raw JSON | ratio | its summary fields | ratio |",
            "|---|---|---|---|---|---|",
            *pages,
        ]
    )


def tokens(value: Any) -> int:
    """Estimate the tokens of the compact JSON of `value`."""
    return len(json.dumps(value, separators=(",", ":"))) // CHARS_PER_TOKEN


def tools_row(name: str, tools: Sequence[dict[str, Any]], ours: Sequence[dict[str, Any]]) -> str:
    """Return a row of the first table; its last cell is the ratio of `ours` to `tools`."""
    properties = [schema for tool in tools for schema in tool["inputSchema"].get("properties", {}).values()]
    described = sum("description" in schema for schema in properties)
    return (
        f"| {name} | {tokens(tools):,} | {max(map(tokens, tools)):,} | {described} of {len(properties)} "
        f"| {tokens(ours) / tokens(tools):.2f} |"
    )


async def typed_rows() -> list[str]:
    """Return the rows of the second table: no tools of interactions, some, and as many as the default limit allows.

    A sandbox has fewer interactions than that limit; missing tools count with the average size.
    """
    async with running(SandboxOptions(odd_interactions=True)) as sandbox:
        api = sandbox_api(sandbox.url, ApiSettings())
        config = Config.model_validate({"api": api, "server": {"interaction_tools": {"include": ["*"]}}})
        async with Client(build_server(config).mcp) as client:
            listed = (await client.list_tools()).tools
    sizes = [tokens(tool.model_dump(by_alias=True, exclude_none=True, mode="json")) for tool in listed]
    default, typed = sizes[: len(OPERATIONS)], sizes[len(OPERATIONS) :]
    rows = [f"| none | {len(default)} | {sum(default):,} |"]
    for number in INTERACTION_TOOLS:
        size = sum(typed[:number]) if number <= len(typed) else number * sum(typed) // len(typed)
        rows.append(f"| {number} | {len(default) + number} | {sum(default) + size:,} |")
    return rows


async def page(client: Client, url: str, name: str) -> str:
    """Return a row of the last table."""
    tool, arguments, method, path, body = PAGES[name]
    result = await client.call_tool(tool, arguments)
    text = "".join(block.text for block in result.content if isinstance(block, TextContent))
    async with httpx.AsyncClient(base_url=url) as api:
        token = (await api.get("/auth/token", params={"token": DEMO_KEY})).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        raw = (await api.request(method, f"/api/v1{path}", json=body, headers=headers)).text
    listed = [{name: value for name, value in run.items() if name in LISTED} for run in json.loads(raw)]
    rows = json.dumps(listed, separators=(",", ":"))
    return (
        f"| {name} | {len(text):,} | {len(raw):,} | {len(text) / len(raw):.2f} "
        f"| {len(rows):,} | {len(text) / len(rows):.2f} |"
    )


def generated_tools(document: Path) -> list[dict[str, Any]]:
    """Return the tools that FastMCP generates from an OpenAPI document."""
    command = [str(python_with(FASTMCP)), "-c", GENERATE, str(document)]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=sys.stderr)  # noqa: S603 - ours
    tools: list[dict[str, Any]] = json.loads(made.stdout)
    return tools


if __name__ == "__main__":
    main()
