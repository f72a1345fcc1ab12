"""A small host for the pages of the MCP App, on loopback."""

import socket
from collections.abc import Callable
from functools import partial
from importlib.resources import files

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from runs_mcp.http.dashboard.browser_session import BrowserSession
from runs_mcp.server import ui
from runs_mcp.server.server import RunsServer
from runs_mcp.server.stdio.stdio_service import DRAIN_S
from runs_mcp.server.ui import inline_page
from runs_mcp.uvicorn_server import NotifyingServer

HOST = "127.0.0.1"
# No referrer, because the address of a page contains the token.
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
HOST_POLICY = {"connect-src": "'self'", "frame-src": "'self'"}
PAGE_POLICY = "sandbox allow-scripts; frame-ancestors 'self'"
"""Gives a page an opaque origin, so that it can reach only its host, even when it is opened as a top-level page."""


async def serve(server: RunsServer, *, port: int, on_start: Callable[[str], None]) -> None:
    """Serve the dashboard until the process is stopped; `on_start` receives its address, which gives access once."""
    with socket.create_server((HOST, port)) as listener:
        authority = f"{HOST}:{listener.getsockname()[1]}"
        session = BrowserSession(build(server), authority=authority)
        settings = uvicorn.Config(session, log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_S)
        address = f"http://{authority}/?token={session.token}"
        await NotifyingServer(settings, partial(on_start, address)).serve(sockets=[listener])


def build(server: RunsServer) -> Starlette:
    """Return an app with the host, its pages and the MCP endpoint, open to every request."""
    app = server.mcp.streamable_http_app(
        streamable_http_path="/mcp",
        json_response=True,
        host=HOST,
        max_request_body_size=server.config.server.max_message_bytes,
    )
    pages = [Route(f"/{page.file}", partial(_page, page.file)) for page in ui.PAGES]
    app.router.routes.extend([Route("/", _host), *pages])
    return app


async def _host(_: Request) -> HTMLResponse:
    html = inline_page.document(files("runs_mcp.http") / "dashboard", "host.html", HOST_POLICY)
    # A page that frames the host could make the user click on the dashboard (clickjacking).
    return HTMLResponse(html, headers={**HEADERS, "Content-Security-Policy": "frame-ancestors 'none'"})


async def _page(file: str, _: Request) -> HTMLResponse:
    return HTMLResponse(ui.document(file), headers={**HEADERS, "Content-Security-Policy": PAGE_POLICY})
