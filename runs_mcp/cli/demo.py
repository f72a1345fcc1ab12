"""`runs-mcp demo`: a real MCP client talks to the server over stdio, and the server to a sandbox."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent, TextResourceContents

from runs_mcp.cli.process import run

ARTICLE = (
    "The Model Context Protocol lets assistants use tools. A server lists its tools with typed inputs. "
    "The assistant picks one and sends arguments. This server turns each call into a request to the Runs API. "
    "While a run writes, its words arrive as progress notifications. When it ends, the whole run comes back. "
    "Every run can be read again later as a resource. The assistant never sees a credential."
)
BAR_WIDTH = 36
SAVE_CURSOR = "\x1b7"
BACK_AND_ERASE = "\x1b8\x1b[K"
SERVE_SANDBOX = ["-m", "runs_mcp", "serve", "--sandbox"]
# A process of this interpreter instead of the script, which may not be on the PATH.
SERVER = StdioServerParameters(command=sys.executable, args=SERVE_SANDBOX)
NEXT_STEPS = """
Connect a chat client: runs-mcp install --sandbox. Other clients take this in their configuration:

  {configuration}

Use your own account: copy config.example.json to config.json, set the credential it names, then

  runs-mcp check
  runs-mcp install CLIENT
"""


@click.command(short_help="Show the server at work; no account needed.")
def demo() -> None:
    """Show an MCP client listing runs, starting a run, streaming its text, and reading it back.

    It takes less than a minute and uses the sandbox, a local imitation of the API; no model is called, nothing is
    billed.
    """
    run(play)


async def play() -> None:
    """Show the main operations, from the first list to the resource, and the next steps."""
    async with Client(SERVER) as client:
        name = client.server_info.name if client.server_info else "the server"
        _heading(f"Connected to {name} over stdio, protocol {client.protocol_version}")
        tools = (await client.list_tools()).tools
        click.echo(f"{len(tools)} tools: {', '.join(tool.name for tool in tools)}")

        _heading("list_runs(limit=5)")
        click.echo(_text(await client.call_tool("list_runs", {"limit": 5})))

        _heading('create_run(interaction="SummarizeText", …): its words as they arrive')
        printer = _ProgressPrinter()
        created = await client.call_tool("create_run", _arguments(), progress_callback=printer)
        printer.erase_count()
        run_id = (created.structured_content or {})["id"]
        click.echo(f"\n{click.style('final', bold=True)} {_text(created).splitlines()[0]}")

        _heading("compute_run_facets(facets=[status, models])")
        counts = await client.call_tool("compute_run_facets", {"facets": ["status", "models"]})
        _bars((counts.structured_content or {})["facets"])

        _heading(f"resource runs://{run_id}/result")
        [content] = (await client.read_resource(f"runs://{run_id}/result")).contents
        click.echo(content.text if isinstance(content, TextResourceContents) else content.mime_type)
    configuration = {"mcpServers": {"runs": {"command": sys.executable, "args": SERVE_SANDBOX}}}
    click.echo(NEXT_STEPS.format(configuration=json.dumps(configuration)))


class _ProgressPrinter:
    """Prints text as it arrives, followed by a count of characters and notifications if stdout is a terminal."""

    def __init__(self) -> None:
        self._characters = 0
        self._is_terminal = sys.stdout.isatty()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        del total  # always None: the length of the text is unknown until the run ends
        self.erase_count()
        self._characters += len(message or "")
        click.echo(message or "", nl=False)
        if self._is_terminal:
            count = click.style(f"  ⋯ {self._characters} characters, notification {progress:g}", dim=True)
            click.echo(f"{SAVE_CURSOR}{count}", nl=False)

    def erase_count(self) -> None:
        """Erase the count, so that the next text continues the previous text."""
        if self._is_terminal and self._characters:
            click.echo(BACK_AND_ERASE, nl=False)


def _arguments() -> dict[str, Any]:
    return {"interaction": "SummarizeText", "data": {"text": ARTICLE}, "tags": ["demo"]}


def _bars(facets: dict[str, Sequence[dict[str, Any]]]) -> None:
    for name, buckets in facets.items():
        click.echo(click.style(name, bold=True))
        largest = max((bucket["count"] for bucket in buckets), default=1)
        for bucket in buckets:
            label = str(bucket.get("name") or bucket.get("id") or "none")
            click.echo(f"  {label:<28} {'█' * max(1, bucket['count'] * BAR_WIDTH // largest)} {bucket['count']}")


def _heading(text: str) -> None:
    click.echo(f"\n{click.style('▸ ' + text, fg='cyan', bold=True)}")


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
