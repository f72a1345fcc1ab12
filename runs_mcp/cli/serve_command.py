"""`runs-mcp serve`: the MCP server over standard input and output, or over HTTP."""

import sys
from functools import partial
from pathlib import Path

import click

from runs_mcp.api import connect
from runs_mcp.cli.options import SANDBOX, config_option, load_config
from runs_mcp.cli.process import run_with_config
from runs_mcp.config.settings import Config
from runs_mcp.observability import tracing
from runs_mcp.server import build_server
from runs_mcp.server.middleware.observers import NO_OBSERVERS, Observers
from runs_mcp.server.stdio.stdio_service import serve_stdio

WAITING = (
    "Waiting for an MCP client on standard input. Clients start this command themselves: see runs-mcp install. "
    "Press Ctrl+C to stop."
)


@click.command
@config_option
@click.option("--http", is_flag=True, help="Serve streamable HTTP at /mcp instead of standard input and output.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve HTTP on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to serve HTTP on.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Number of processes that serve HTTP at the port. More than one process needs server.redis_url.",
)
@click.option("--sandbox", is_flag=True, help=f"Use the sandbox, {SANDBOX}.")
@click.option("--or-sandbox", is_flag=True, help="Use the sandbox if no credential is set.")
def serve(
    *,
    config_file: Path | None,
    http: bool,
    host: str,
    port: int,
    workers: int,
    sandbox: bool,
    or_sandbox: bool,
) -> None:
    """Serve MCP over standard input and output, or over HTTP.

    A chat client starts this command itself. Logs go to standard error.
    """
    if workers > 1 and not http:
        raise click.UsageError("--workers needs --http: a client starts a process of its own for stdio.")
    config = load_config(config_file)
    serve_config = partial(serve_http, host=host, port=port, workers=workers) if http else serve_over_stdio
    if not http and sys.stdin.isatty():
        click.echo(WAITING, err=True)
    run_with_config(
        serve_config,
        config,
        sandbox=sandbox or (or_sandbox and not config.api.auth.is_set),
    )


async def serve_over_stdio(config: Config) -> None:
    """Serve one MCP client over standard input and output.

    Raises:
        ConfigError: the configuration cannot work.
        CredentialError: the credential for the Runs API is missing.
    """
    connect(config.api)  # reports a missing credential now instead of at the first call
    # Spans cost CPU time for each request, so nothing observes requests unless traces are exported.
    observers = Observers(exchanges=[tracing.trace_exchange]) if tracing.start() else NO_OBSERVERS
    await serve_stdio(build_server(config, observers))


async def serve_http(config: Config, *, host: str, port: int, workers: int) -> None:
    """Serve MCP clients over streamable HTTP.

    Raises:
        ConfigError: the configuration cannot work.
        CredentialError: the credential for the Runs API is missing.
        OSError: the address is in use, or is not allowed; a worker could not start.
    """
    from runs_mcp.http import listener  # noqa: PLC0415 - takes 140 ms; stdio does not need the HTTP service

    if workers == 1:
        await listener.serve(config, host=host, port=port)
        return
    from runs_mcp.http.workers import shared_port  # noqa: PLC0415 - a single process needs no supervisor

    await shared_port.serve(config, host=host, port=port, workers=workers)
