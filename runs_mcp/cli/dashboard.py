"""`dashboard`: the pages of the MCP App in a browser, for people without a host that shows them."""

import threading
import webbrowser
from urllib.parse import urlencode

import click

from runs_mcp.api import connect
from runs_mcp.config.settings import Config
from runs_mcp.http import dashboard
from runs_mcp.server import build_server

MAX_SCAN = 100_000
"""Most runs that the dashboard reads at once, unless `server.max_scan` is set: it serves one person alone."""


async def show(config: Config, *, port: int, run_id: str | None, browser: bool) -> None:
    """Serve the dashboard, or the run viewer on a run, until stopped, and open it.

    Raises:
        CredentialError: the configuration cannot work.
    """
    connect(config.api)  # a credential that is not there is better said in the terminal than in the browser

    def opened(url: str) -> None:
        address = f"{url}?{urlencode({'run': run_id})}" if run_id else url
        click.echo(f"The dashboard is at {address}")
        if browser:  # in a thread, since some browsers return only when they are closed
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    await dashboard.serve(build_server(_reading(config)), port=port, opened=opened)


def _reading(config: Config) -> Config:
    """Return `config` with all tools that read and none that changes anything, and with room for long scans."""
    changes: dict[str, object] = {"read_only": True, "tools": None}
    if "max_scan" not in config.server.model_fields_set:
        changes["max_scan"] = MAX_SCAN
    server = config.server.model_copy(update=changes)
    return config.model_copy(update={"server": server})
