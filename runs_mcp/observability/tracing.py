"""OpenTelemetry traces: from the caller, through the call, to the request to the Runs API."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp import __version__
from runs_mcp.api import Exchange
from runs_mcp.config.problems import ConfigError

log = logging.getLogger(__name__)

EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTERS = {"otlp": "otlp_proto_http"}
"""Entry points of exporters whose name differs from their value in the variable."""
FIRST_ERROR = 400

# Not the propagator of the environment, which would also pass the baggage of callers on to the API.
_PROPAGATOR = TraceContextTextMapPropagator()


def start() -> bool:
    """Export traces according to the OTEL_… variables. Return false if they enable no exporter.

    Raises:
        ConfigError: the requested exporter is not installed.
    """
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return True  # the program that started the process has configured a provider
    # OpenTelemetry exports to localhost by default, where usually no collector runs; an endpoint enables it here.
    name = os.environ.get(EXPORTER) or ("otlp" if any(os.environ.get(variable) for variable in ENDPOINTS) else "none")
    if name == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    _export(name)
    return True


def _export(name: str) -> None:
    try:
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - an optional extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

        # The registry that `opentelemetry-instrument` reads, so that any installed exporter works.
        [exporter] = entry_points(group="opentelemetry_traces_exporter", name=EXPORTERS.get(name, name))
        processor = BatchSpanProcessor(exporter.load()())
    except (ImportError, ValueError):
        raise ConfigError(
            f"{EXPORTER}={name}: this exporter is not installed. "
            f"Run pip install 'runs-mcp[otel]', or set {EXPORTER}=none."
        ) from None
    # Merged in this order, so that OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override the defaults.
    defaults = Resource.create({"service.name": "runs-mcp", "service.version": __version__})
    provider = TracerProvider(resource=defaults.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    log.info("traces are exported (%s)", name)


class TraceContext:
    """Middleware that continues the trace that the caller's `traceparent` header names (W3C Trace Context)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = context.attach(_PROPAGATOR.extract(Headers(scope=scope)))
        try:
            await self._app(scope, receive, send)
        finally:
            context.detach(token)


@contextmanager
def trace_exchange(exchange: Exchange) -> Iterator[None]:
    """Record a span for a request to the API, and send its trace context with the request."""
    tracer = trace.get_tracer("runs-mcp", __version__)
    attributes = {
        "http.request.method": exchange.method,
        "url.template": exchange.template,
        "server.address": exchange.host,
    }
    with tracer.start_as_current_span(
        f"{exchange.method} {exchange.template}",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        # The text of an exception can contain a URL with a token.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        _PROPAGATOR.inject(exchange.headers)
        try:
            yield
        finally:
            if exchange.status is not None:
                span.set_attribute("http.response.status_code", exchange.status)
            if exchange.status is None or exchange.status >= FIRST_ERROR:
                span.set_attribute("error.type", str(exchange.status or "no answer"))
                span.set_status(StatusCode.ERROR)
