"""`runs-mcp demo`: the server at work in a terminal, or in the MCP Inspector."""

from functools import partial

import click

from runs_mcp.cli.options import SANDBOX
from runs_mcp.cli.process import run


@click.command
@click.option(
    "--client",
    type=click.Choice(["terminal", "inspector"]),
    default="terminal",
    show_default=True,
    help="Show the calls in this terminal, or open the MCP Inspector on the same server (needs Node.js).",
)
@click.option("--fast", is_flag=True, help="Do not pause between the steps.")
def demo(*, client: str, fast: bool) -> None:
    """Show an MCP client answering a question in five tool calls: why did last night's contract reviews fail?

    It takes less than a minute and uses the sandbox, a local imitation of the API; no model is called, nothing is
    billed.
    """
    if client == "inspector":
        from runs_mcp.cli.demo.inspector import open_inspector  # noqa: PLC0415 - needs neither Rich nor the MCP SDK

        click.echo(f"The Inspector opens in a browser. It talks to the sandbox: {SANDBOX}. Press Ctrl+C to stop.")
        open_inspector()
    else:
        from runs_mcp.cli.demo.story import play  # noqa: PLC0415 - takes 0.5 s; the Inspector needs none of it

        run(partial(play, fast=fast))
