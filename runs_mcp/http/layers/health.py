"""Health probes: liveness of the process (`/healthz`) and readiness to answer calls (`/readyz`)."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import anyio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.api import RunsApiError
from runs_mcp.http.profile_servers import ProfileServers
from runs_mcp.server.server import RunsServer

log = logging.getLogger(__name__)

LIVE, READY = "/healthz", "/readyz"
FRESH_S = 5.0
"""Seconds for which the result of a check of the API is reused."""
MAX_CHECK_S = 5.0


class Readiness:
    """Readiness to answer calls. The API is checked on request, one check at a time; the result is cached for 5 s."""

    def __init__(self, servers: ProfileServers, now: Callable[[], float], *, max_check_s: float = MAX_CHECK_S) -> None:
        self._servers = servers
        self._now = now
        self._max_check_s = max_check_s
        self._lock = anyio.Lock()
        self._problem: str | None = None
        self._checked_at: float | None = None

    async def problem(self) -> str | None:
        """Return the reason why no call can be answered, without secrets; None if the service is ready."""
        if self._servers.draining:
            return "The server is stopping."
        # One check at a time: probes arrive without authentication, and must not multiply requests to the API.
        async with self._lock:
            if self._checked_at is None or self._now() - self._checked_at >= FRESH_S:
                self._problem = await self._check_all()
                self._checked_at = self._now()
        return self._problem

    async def _check_all(self) -> str | None:
        """Check the API of every profile: the failure of a single API must not make the others unready."""
        problems: list[str | None] = []

        async def check(server: RunsServer) -> None:
            problems.append(await self._check(server))

        async with anyio.create_task_group() as tasks:
            for server in self._servers:
                tasks.start_soon(check, server)
        for problem in filter(None, problems):
            log.warning("the Runs API cannot be used: %s", problem)
        return problems[0] if all(problems) else None

    async def _check(self, server: RunsServer) -> str | None:
        if server.services is None:
            return "The server is starting."
        with anyio.move_on_after(self._max_check_s):
            try:
                await server.services.runs.list_runs(limit=1)
            except RunsApiError as error:
                return f"{error}."  # without `api_message`, which can contain data of the account
            return None
        return f"The Runs API did not answer within {self._max_check_s:g} s."


class Health:
    """Middleware that answers probes, and forwards all other requests."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        path = scope["path"] if scope["type"] == "http" else None
        if path == LIVE:
            return JSONResponse({"status": "ok"})(scope, receive, send)
        if path == READY:
            return self._report_readiness(scope, receive, send)
        return self._app(scope, receive, send)

    async def _report_readiness(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = await self._readiness.problem()
        if problem is None:
            response = JSONResponse({"status": "ready"})
        else:
            response = JSONResponse({"status": "not ready", "problem": problem}, HTTPStatus.SERVICE_UNAVAILABLE)
        await response(scope, receive, send)
