"""`runs-mcp runs`: a command for each of the tools that people use most."""

import click

from runs_mcp.cli.lazy_group import LazyCommand, LazyGroup

PLACE = "runs_mcp.cli.runs.subcommands"
SUBCOMMANDS = (
    LazyCommand("list", "List runs, most recently updated first.", f"{PLACE}:list_command"),
    LazyCommand("get", "Show one run or several, or what differs.", f"{PLACE}:get_command"),
    LazyCommand("search", "Search runs by words, dates and filters.", f"{PLACE}:search_command"),
    LazyCommand("aggregate", "Count, sum and rank runs by group.", f"{PLACE}:aggregate_command"),
    LazyCommand("create", "Run an interaction and show its text.", f"{PLACE}:create_command"),
    LazyCommand("stream", "Follow a run until it ends.", f"{PLACE}:stream_command"),
)


@click.group(cls=LazyGroup, lazy_commands=SUBCOMMANDS)
def runs() -> None:
    """Use the tools of the server in this terminal: the same answers as a table, as JSON or as JSON Lines.

    \b
    runs-mcp runs list --status failed
    runs-mcp runs aggregate --by error --start 24h
    runs-mcp runs create SummarizeText --data '{"text": "…"}'
    runs-mcp runs search --start 7d --jsonl > runs.jsonl

    All settings apply as in the server. Options are those of the tools, with dashes. --sandbox needs no account.
    """
