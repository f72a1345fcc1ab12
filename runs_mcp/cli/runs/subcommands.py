"""The commands of `runs-mcp runs`: each calls one tool."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from runs_mcp.cli.options import SANDBOX, config_errors, config_option
from runs_mcp.cli.process import INTERRUPTED, run_with_config
from runs_mcp.cli.runs.command_group import SUBCOMMANDS
from runs_mcp.cli.runs.schema_options import given, parameters
from runs_mcp.cli.runs.tool_client import ToolClient
from runs_mcp.cli.terminal.console import Output, terminal_console
from runs_mcp.cli.terminal.run_views import document, facts, notes, view
from runs_mcp.config.load import load
from runs_mcp.config.settings import Config
from runs_mcp.observability import logs
from runs_mcp.server.params import MAX_PAGE
from runs_mcp.server.tools import OPERATIONS
from runs_mcp.server.tools.operation import describe_filters

# With all filters described: a person reads the help of a single command, not those of all tools.
TOOLS = {operation.name: describe_filters(operation).published for operation in OPERATIONS}
SCHEMAS: Mapping[str, Any] = {name: tool.input_schema for name, tool in TOOLS.items()}
CLOSED_OUTPUT = 141
"""The exit code that a shell gives to a program that SIGPIPE ends."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call that a user asks for, and the form of its answer."""

    tool: str
    arguments: Mapping[str, Any]
    as_json: bool
    as_lines: bool
    sandbox: bool

    @property
    def is_text(self) -> bool:
        """True if the answer is the text of one run."""
        several = {"inputs", "models", "dry_run"} & set(self.arguments) or len(self.arguments.get("like", ())) > 1
        return self.tool == "stream_run" or (self.tool == "create_run" and not several)

    @property
    def after_interruption(self) -> str:
        """Return the message after an interruption; empty if no run can go on."""
        if self.sandbox or "dry_run" in self.arguments:
            return ""
        match self.tool:
            case "create_run":
                return "Interrupted. A run that was created goes on; `runs-mcp runs list` shows it."
            case "stream_run":
                return f"Interrupted. The run goes on; `runs-mcp runs stream {self.arguments['run_id']}` continues."
            case _:
                return ""

    @property
    def is_paged(self) -> bool:
        """True if the answer is a page of a longer list."""
        return "offset" in SCHEMAS[self.tool]["properties"] and self.tool != "stream_run"


def _command(name: str, tool: str, *, positional: str = "", omitted: Sequence[str] = ()) -> click.Command:
    """Return the command `name`, which calls `tool`; its options are the properties of the tool's schema."""
    summary = next(subcommand.help for subcommand in SUBCOMMANDS if subcommand.name == name)

    @click.command(name, help=f"{summary}\n\n{TOOLS[tool].description}")
    @config_option
    @click.option("--sandbox", is_flag=True, help=f"Use the sandbox, {SANDBOX}.")
    @click.option("--json", "as_json", is_flag=True, help="Print the structured result of the tool.")
    @click.option("--jsonl", "as_lines", is_flag=True, help="Print one JSON object per line; of a list, all pages.")
    def call_tool(*, config_file: Path | None, sandbox: bool, as_json: bool, as_lines: bool, **typed: Any) -> None:
        if as_json and as_lines:
            raise click.UsageError("--json and --jsonl are two forms of the same answer: give one of them.")
        arguments = _single(given(typed, SCHEMAS[tool]["properties"]))
        _check_encoding(arguments)
        _run(Request(tool, arguments, as_json, as_lines, sandbox), config_file)

    call_tool.params[:0] = parameters(SCHEMAS[tool], positional=positional, omitted=omitted)
    return call_tool


def _check_encoding(arguments: Mapping[str, Any]) -> None:
    """Check that the shell passed text, not the bytes of another encoding, which Python keeps as lone surrogates."""
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise click.UsageError(
            "An argument is not text in the encoding of your locale. Use UTF-8, e.g. LC_ALL=C.UTF-8."
        ) from None


def _single(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `get_run`, which takes one id and several under different names."""
    match arguments:
        case {"run_ids": [run_id], **others} if "compare" not in others:
            return {"run_id": run_id, **others}
        case _:
            return arguments


def _run(request: Request, config_file: Path | None) -> None:
    with config_errors():
        config = load(config_file)
    # At `info`, which config.example.json sets, a line for each created run would mix with the answer in a terminal.
    logs.configure("warning" if config.log_level == "info" else config.log_level)
    output = Output()
    try:
        run_with_config(partial(_answer, request, output), config, sandbox=request.sandbox)
    except SystemExit as end:
        if end.code == INTERRUPTED and request.after_interruption:
            click.echo(request.after_interruption, err=True)
        raise
    if output.closed:
        raise SystemExit(CLOSED_OUTPUT)


async def _answer(request: Request, output: Output, config: Config) -> None:
    """Call the tool and write its answer.

    Raises:
        click.ClickException: the call failed, or runs of it.
    """
    async with ToolClient.connected(config, terminal_console(stderr=True)) as client:
        if request.as_lines:
            await _write_rows(request, client, output)
            return
        result = await client.call(request.tool, request.arguments, is_text=request.is_text)
    if request.as_json:
        output.write(json.dumps(result, ensure_ascii=False, indent=2))
    elif request.is_text:
        _write_run(result, output)
    else:
        output.draw(view(result, width=output.width))
        for note in notes(result):
            terminal_console(stderr=True).print(note, soft_wrap=True)
    if failed := _failed(request, result):
        raise click.ClickException(failed)


async def _write_rows(request: Request, client: ToolClient, output: Output) -> None:
    async for row in _rows(request, client):
        output.write(json.dumps(row, ensure_ascii=False))
        if output.closed:
            return


async def _rows(request: Request, client: ToolClient) -> AsyncIterator[Any]:
    """Yield the rows of an answer; of a list, up to `limit` or else all of them, page by page."""
    wanted = request.arguments.get("limit") if request.is_paged else None
    arguments = {**request.arguments, **({"limit": wanted or MAX_PAGE} if request.is_paged else {})}
    while True:
        result = await client.call(request.tool, arguments, is_text=request.is_text)
        for row in result.get("runs", result.get("groups", [result])):
            yield row
        if wanted or "next_offset" not in result or not request.is_paged:
            return
        arguments["offset"] = result["next_offset"]


def _write_run(result: Mapping[str, Any], output: Output) -> None:
    """Write the result of a run to standard output, and its facts to standard error."""
    terminal_console(stderr=True).print(facts(result), soft_wrap=not output.is_terminal)
    written = result.get("result", result.get("text"))
    if written is not None:
        output.write(document(written) if output.is_terminal or not isinstance(written, str) else written)


def _failed(request: Request, result: Mapping[str, Any]) -> str:
    """Return why a command did not succeed: runs could not be read, or were executed and failed."""
    runs = result.get("runs", [result])
    executed = request.tool in ("create_run", "stream_run")
    failed = [row for row in runs if "failure" in row or (executed and row.get("status") == "failed")]
    if not failed:
        return ""
    if len(runs) > 1:
        return f"{len(failed)} of {len(runs)} runs failed."
    error = failed[0].get("failure") or failed[0].get("error") or "no reason is known"
    return f"The run failed: {document(error.get('message', error) if isinstance(error, dict) else error)}"


list_command = _command("list", "list_runs")
get_command = _command("get", "get_run", positional="run_ids", omitted=["run_id"])
search_command = _command("search", "search_runs", positional="query")
aggregate_command = _command("aggregate", "aggregate_runs")
# A command that ends cannot follow a run in the background, so both wait.
create_command = _command("create", "create_run", positional="interaction", omitted=["wait"])
stream_command = _command("stream", "stream_run", positional="run_id", omitted=["wait"])
