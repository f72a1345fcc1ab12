"""`runs-mcp dashboard`: the pages of the MCP App in a browser."""

import threading
import webbrowser
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import click

from runs_mcp.api import connect
from runs_mcp.cli.options import SANDBOX, config_option, load_config
from runs_mcp.cli.process import run_with_config
from runs_mcp.cli.redirect_file import redirect_file, write_redirect
from runs_mcp.config.settings import Config
from runs_mcp.http.dashboard import serve
from runs_mcp.http.replicas import connect_replicas
from runs_mcp.server import build_server

MAX_SCAN = 100_000
"""Maximum number of runs that the dashboard reads at once, unless `server.max_scan` is set.

It exceeds the default of `server.max_scan`, because the dashboard serves a single person.
"""


@click.command
@config_option
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port to serve on. Default: any free port.")
@click.option("--run", "run_id", help="Id of a run to open instead of the dashboard.")
@click.option(
    "--open/--no-browser", "browser", default=True, help="Open a browser (the default), or only print the address."
)
@click.option("--sandbox", is_flag=True, help=f"Use the sandbox, {SANDBOX}.")
def dashboard(*, config_file: Path | None, port: int, run_id: str | None, browser: bool, sandbox: bool) -> None:
    """Open a dashboard of runs in a browser: the pages that chat hosts show, served to this machine only.

    The pages only read. The printed address works once and for one browser, which then has a cookie; each start prints
    a new address.
    """
    config = load_config(config_file)
    work = partial(_show, port=port, run_id=run_id, browser=browser)
    run_with_config(work, config, sandbox=sandbox, address=f"127.0.0.1:{port}")


async def _show(config: Config, *, port: int, run_id: str | None, browser: bool) -> None:
    connect(config.api)  # reports a missing credential in the terminal instead of in the browser

    with redirect_file() as file:

        def announce(url: str) -> None:
            address = f"{url}&{urlencode({'run': run_id})}" if run_id else url
            click.echo(f"The dashboard is at {address}")
            click.echo(
                "This address works once: the browser that opens it keeps access until the dashboard is stopped."
            )
            if browser:
                write_redirect(file, address)
                # In a thread, since some browsers return only when they are closed.
                threading.Thread(target=webbrowser.open, args=[file.as_uri()], daemon=True).start()

        # With the Redis of the servers, text that another server reads arrives here as well.
        replicas = connect_replicas(config)
        server = build_server(_read_only(config), shared=replicas.shared_state(config, None) if replicas else None)
        async with replicas.running() if replicas else nullcontext():
            await serve(server, port=port, on_start=announce)


def _read_only(config: Config) -> Config:
    """Return `config` with all tools that only read, and with a higher limit of scanned runs."""
    # `server.tools` limits what models see. The pages need every reading tool, whatever a model may use.
    changes: dict[str, object] = {"read_only": True, "tools": None}
    if "max_scan" not in config.server.model_fields_set:
        changes["max_scan"] = MAX_SCAN
    server = config.server.model_copy(update=changes)
    return config.model_copy(update={"server": server})
