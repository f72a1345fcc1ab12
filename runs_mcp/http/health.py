"""Health: whether the process lives (`/healthz`), and whether it can be of use (`/readyz`)."""

import logging
from collections.abc import Callable
from http import HTTPStatus

import anyio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.api import RunsApiError
from runs_mcp.http.tenants import Tenants
from runs_mcp.server.server import RunsServer

log = logging.getLogger(__name__)

LIVE, READY = "/healthz", "/readyz"
FRESH_S = 5.0
"""Seconds that what was seen of the API is taken for how it is."""
LONGEST_LOOK_S = 5.0


class Readiness:
    """Readiness to answer calls; the API is checked on request, at a limited rate and by one task at a time."""

    def __init__(self, tenants: Tenants, now: Callable[[], float], *, longest_look_s: float = LONGEST_LOOK_S) -> None:
        self._tenants = tenants
        self._now = now
        self._longest_look_s = longest_look_s
        self._turn = anyio.Lock()
        self._problem: str | None = None
        self._looked_at: float | None = None

    async def problem(self) -> str | None:
        """Return the reason why no call can be answered, as a text without secrets; None if some can be answered."""
        if self._tenants.draining:
            return "The server is stopping."
        async with self._turn:
            if self._looked_at is None or self._now() - self._looked_at >= FRESH_S:
                self._problem = await self._look()
                self._looked_at = self._now()
        return self._problem

    async def _look(self) -> str | None:
        """Check the API of every profile: the failure of one API must not make the others unready."""
        problems: list[str | None] = []

        async def look(server: RunsServer) -> None:
            problems.append(await self._look_at(server))

        async with anyio.create_task_group() as tasks:
            for server in self._tenants.servers:
                tasks.start_soon(look, server)
        for problem in filter(None, problems):
            log.warning("the Runs API cannot be used: %s", problem)
        return problems[0] if all(problems) else None

    async def _look_at(self, server: RunsServer) -> str | None:
        if server.services is None:
            return "The server is starting."
        with anyio.move_on_after(self._longest_look_s):
            try:
                await server.services.runs.list_runs(limit=1)
            except RunsApiError as error:
                return f"{error}."
            return None
        return f"The Runs API did not answer within {self._longest_look_s:g} s."


class Health:
    """Answers probes, and hands everything else on."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        path = scope["path"] if scope["type"] == "http" else None
        if path == LIVE:
            await JSONResponse({"status": "ok"})(scope, receive, send)
        elif path == READY:
            await _report(await self._readiness.problem())(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _report(problem: str | None) -> JSONResponse:
    if problem is None:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "not ready", "problem": problem}, HTTPStatus.SERVICE_UNAVAILABLE)
