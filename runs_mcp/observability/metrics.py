"""Prometheus metrics, in a separate registry."""

import logging
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, start_http_server
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from runs_mcp import __version__
from runs_mcp.api import Exchange, RunsApiError
from runs_mcp.server.tools import MANAGE_OPERATIONS, OPERATIONS

TOOLS = frozenset(operation.name for operation in (*OPERATIONS, *MANAGE_OPERATIONS))
EVENT_STREAM = "text/event-stream"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Upper bounds of the buckets of latencies."""


class Metrics:
    """Counters, histograms and gauges.

    All label values come from fixed sets: a caller that could choose them could create time series without bound.
    """

    def __init__(self) -> None:
        # Not the global registry, which rejects a second service in the same process: metric names are unique in it.
        self.registry = registry = CollectorRegistry()
        self._calls = Counter("runs_mcp_calls", "Tool calls by outcome.", ["tool", "outcome"], registry=registry)
        self._call_seconds = Histogram(
            "runs_mcp_call_seconds", "Duration of tool calls.", ["tool"], buckets=SECONDS, registry=registry
        )
        self._upstream = Counter(
            "runs_mcp_upstream_requests",
            "Requests to the Runs API, including retries, by status.",
            ["operation", "status"],
            registry=registry,
        )
        self._upstream_seconds = Histogram(
            "runs_mcp_upstream_seconds",
            "Seconds until the Runs API began its response.",
            ["operation"],
            buckets=SECONDS,
            registry=registry,
        )
        self._retries = Counter(
            "runs_mcp_upstream_retries", "Retries of requests to the Runs API by error.", ["error"], registry=registry
        )
        self._warnings = _Warnings(
            Counter("runs_mcp_warnings", "Logged warnings and errors by logger.", ["logger"], registry=registry)
        )
        self.responses = Counter(
            "runs_mcp_http_responses", "HTTP responses by status, without probes.", ["status"], registry=registry
        )
        self.requests_in_flight = Gauge(
            "runs_mcp_http_requests_in_flight", "Requests in progress, including streams.", registry=registry
        )
        self.streams_open = Gauge("runs_mcp_http_streams_open", "Open streams.", registry=registry)
        Info("runs_mcp_build", "Version of the server and of Python.", registry=registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        ProcessCollector(registry=registry)

    def gauge(self, *, calls: Callable[[], float], followed: Callable[[], float]) -> None:
        """Gauge the tool calls in progress and the followed runs at each scrape."""
        in_flight = Gauge("runs_mcp_calls_in_flight", "Tool calls in progress.", registry=self.registry)
        in_flight.set_function(calls)
        runs = Gauge("runs_mcp_runs_followed", "Runs that are streamed or polled.", registry=self.registry)
        runs.set_function(followed)

    @contextmanager
    def serve(self, host: str, port: int) -> Iterator[tuple[str, int]]:
        """Serve `/metrics` and count logged warnings for the duration of the block; yield the address.

        Raises:
            OSError: the address is not available.
        """
        with serve_registry(self.registry, host, port) as address, self.warnings_counted():
            yield address

    @contextmanager
    def warnings_counted(self) -> Iterator[None]:
        """Count logged warnings for the duration of the block."""
        logger = logging.getLogger("runs_mcp")
        logger.addHandler(self._warnings)
        try:
            yield
        finally:
            logger.removeHandler(self._warnings)

    async def count_call(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Count and time a message if it calls a tool."""
        if ctx.method != "tools/call":
            return await call_next(ctx)
        name = ctx.params.get("name") if ctx.params else None
        # Callers choose the name, and interaction tools are unbounded in number, so both count as unknown.
        tool = str(name) if name in TOOLS else "unknown"
        started, outcome = time.perf_counter(), "cancelled"
        try:
            result = await call_next(ctx)
            outcome = "failed" if _is_error(result) else "ok"
        except (MCPError, ValidationError):
            outcome = "refused"
            raise
        except Exception:
            outcome = "crashed"
            raise
        finally:
            self._calls.labels(tool, outcome).inc()
            self._call_seconds.labels(tool).observe(time.perf_counter() - started)
        return result

    async def count_retry(self, _: float, error: RunsApiError) -> None:
        """Count a request that is about to be repeated."""
        self._retries.labels(type(error).__name__).inc()

    @contextmanager
    def count_exchange(self, exchange: Exchange) -> Iterator[None]:
        """Count and time a request to the Runs API."""
        operation = f"{exchange.method} {exchange.template}"
        started = time.perf_counter()
        try:
            yield
        finally:
            self._upstream.labels(operation, exchange.status or "none").inc()
            self._upstream_seconds.labels(operation).observe(time.perf_counter() - started)


@contextmanager
def serve_registry(registry: CollectorRegistry, host: str, port: int) -> Iterator[tuple[str, int]]:
    """Serve `/metrics` for the duration of the block; yield the address.

    Raises:
        OSError: the address is not available.
    """
    # In a thread, so that a busy event loop does not delay scrapes.
    listener, thread = start_http_server(port, host, registry)
    try:
        yield host, listener.server_port
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


class _Warnings(logging.Handler):
    """A log handler that counts warnings and errors: failures of Redis, refused requests, crashes."""

    def __init__(self, counter: Counter) -> None:
        super().__init__(logging.WARNING)
        self._counter = counter

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._counter.labels(record.name).inc()


def _is_error(result: HandlerResult) -> bool:
    match result:
        case CallToolResult(is_error=True) | {"isError": True}:
            return True
        case _:
            return False


class RequestCounter:
    """Middleware that counts requests by status, and gauges requests in progress and open streams."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with ExitStack() as in_progress:
            in_progress.enter_context(self._metrics.requests_in_flight.track_inprogress())

            async def counting_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._metrics.responses.labels(message["status"]).inc()
                    if Headers(raw=message["headers"]).get("content-type", "").startswith(EVENT_STREAM):
                        in_progress.enter_context(self._metrics.streams_open.track_inprogress())
                await send(message)

            await self._app(scope, receive, counting_send)
