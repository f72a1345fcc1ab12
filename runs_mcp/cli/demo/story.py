"""The answer to a question about failed runs, in five tool calls of an MCP client over stdio."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from runs_mcp.api.payloads import MS_PER_S
from runs_mcp.cli.demo.inspector import SERVE_SANDBOX
from runs_mcp.cli.install.launcher import launcher, typed
from runs_mcp.cli.terminal.console import terminal_console
from runs_mcp.cli.terminal.identity import TERMINAL
from runs_mcp.cli.terminal.live_text import LiveText, call_tool
from runs_mcp.cli.terminal.run_views import facts, notes, view
from runs_mcp.server.render.results import written_call

QUESTION = "Why did last night's contract reviews fail?"
LAST_NIGHT = {"interaction": "ContractReview", "tags": ["nightly"], "start": "36h"}
GROUPING = {**LAST_NIGHT, "by": ["error", "model"], "measures": ["failed", "runs", "median_ms"]}
LONG_CONTEXT = {"environment": "OpenAI production", "model": "gpt-4.1"}
WIDEST = 110
"""Columns of a line at most: longer lines are hard to read."""
INDENT = 2
PAUSE_S = 1.6
SERVER = StdioServerParameters(
    command=sys.executable,
    args=list(SERVE_SANDBOX),
    env={"RUNS_MCP_LOG_LEVEL": "error"},  # the audit line of the created run would appear between the steps
)


class Story:
    """The steps of the demo, each a tool call and its result."""

    def __init__(self, client: Client, console: Console, *, pause_s: float) -> None:
        self._client = client
        self._console = console
        self._pause_s = pause_s
        self._steps = 0
        self._width = min(console.width, WIDEST) - INDENT

    async def tell(self) -> None:
        """Answer the question."""
        failures = await self._step("Group the reviews of the night by error", "aggregate_runs", GROUPING)
        found = await self._step(
            "List those that failed", "search_runs", {**LAST_NIGHT, "status": "failed", "limit": 10}
        )
        ids = [run["id"] for run in found["runs"]]
        failed = await self._step("Read one of them", "get_run", {"run_id": ids[0], "include": ["result"]})
        again = await self._run_again(ids[0])
        pair = {"run_ids": [ids[0], again["id"]], "include": ["config"], "compare": True}
        await self._step("Compare the two", "get_run", pair)
        self._conclude(failures["total"], failed, again, ids[1:])

    async def _step(self, title: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        await self._announce(title, tool, arguments)
        result = await call_tool(self._client, tool, arguments, LiveText(self._console, tool, is_text=False))
        for part in (*view(result, width=self._width), *notes(result)):
            self._show(part)
        return result

    async def _run_again(self, run_id: str) -> dict[str, Any]:
        """Run the input of a run on a model with a longer context, and show the text as it arrives."""
        arguments = {"like": [run_id], **LONG_CONTEXT}
        await self._announce("Run the same contract on a model with a longer context", "create_run", arguments)
        text = LiveText(self._console, "create_run", is_text=True)
        result = await call_tool(self._client, "create_run", arguments, text)
        self._show(Text(text.text))
        self._show(Text(f"{text.facts}, as received"), "dim")
        self._show(facts(result))
        used, took_s = result["token_use"]["result"], result["execution_time"] / MS_PER_S
        speed = f"{used / took_s:,.0f} tokens/s, now that the run has ended and its tokens are known"
        self._show(Text(speed), "dim")
        return result

    async def _announce(self, title: str, tool: str, arguments: Mapping[str, Any]) -> None:
        if self._steps:
            await anyio.sleep(self._pause_s)
        self._steps += 1
        self._console.print(Text(f"\n▸ {self._steps} of 5  {title}", "bold cyan"))
        self._show(Text(written_call(tool, arguments)), "green")
        self._console.print()

    def _show(self, part: RenderableType, style: str = "") -> None:
        self._console.print(Padding(part, (0, 0, 0, INDENT), expand=False), style=style, width=self._width + INDENT)

    def _conclude(
        self, total: Mapping[str, Any], failed: Mapping[str, Any], again: Mapping[str, Any], others: Sequence[str]
    ) -> None:
        self._console.print(Text(f"\n▸ {QUESTION}", "bold cyan"))
        took = f"{again['execution_time'] / MS_PER_S:.1f} s"
        answer = (
            f"{total['failed']} of {total['runs']} failed with {failed['error']['code']}: "
            f"{failed['error']['message']} {again['modelId']} read the same contract in {took}. "
            f"One call runs the other {len(others)} again:"
        )
        self._show(Text(answer), "bold")
        self._show(Text(written_call("create_run", {"like": list(others), **LONG_CONTEXT})), "green")
        self._console.print()
        for line in _next_steps():
            self._console.print(Text(line), soft_wrap=True)


async def play(*, fast: bool) -> None:
    """Connect to a server with a sandbox over stdio, and answer the question in the terminal.

    Raises:
        click.ClickException: a call failed.
    """
    console = terminal_console()
    console.print(Text(QUESTION, "bold"))
    async with Client(SERVER, client_info=TERMINAL) as client:
        tools = (await client.list_tools()).tools
        console.print(Text(f"Connected over stdio, protocol {client.protocol_version}: {len(tools)} tools.", "dim"))
        await Story(client, console, pause_s=0 if fast or not console.is_terminal else PAUSE_S).tell()


def _next_steps() -> Sequence[str]:
    program, *arguments = launcher(Path(sys.executable), os.environ).words
    typed_name = typed([program, *arguments], Path.cwd(), os.environ.get("PATH"))
    entry = {"mcpServers": {"runs": {"command": program, "args": [*arguments, "serve", "--sandbox"]}}}
    return (
        f"Connect a chat client:  {typed_name} install --sandbox",
        f"Ask in this terminal:   {typed_name} runs list --sandbox",
        f"Use your own account:   copy config.example.json to config.json, then {typed_name} check",
        "",
        "Other clients take this in their configuration:",
        json.dumps(entry),
    )
