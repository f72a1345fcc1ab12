"""Fixtures for most tests: a real sandbox on a real port, and real MCP clients of both protocol eras."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import settings
from mcp.client import Client
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.sandbox import Sandbox, SandboxOptions, running
from runs_mcp.server import build_server
from runs_mcp.server.create import idempotent_create
from runs_mcp.server.runs import run_poller, stream_hub
from tests.calls import PATIENT

# A shell that runs the tests in the background makes them ignore SIGINT, and their child processes do the same.
signal.signal(signal.SIGINT, signal.default_int_handler)

HANDSHAKE, MODERN = "legacy", "auto"
ERAS = {"handshake": HANDSHAKE, "2026-07-28": MODERN}

# `--hypothesis-profile thorough` runs the properties longer; .ci/run does so together with the slow tests.
settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=100, deadline=None, derandomize=True)
settings.load_profile("quick")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the tests marked `both_eras` in both eras."""
    if metafunc.definition.get_closest_marker("both_eras") and "mode" in metafunc.fixturenames:
        metafunc.parametrize("mode", list(ERAS.values()), ids=list(ERAS))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return the event loop of the product."""
    return "asyncio"


@pytest.fixture(scope="session")
def every_span() -> InMemorySpanExporter:
    """Return an exporter for the whole process, since a process can have only one provider of traces."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


@pytest.fixture
def exporter(every_span: InMemorySpanExporter) -> InMemorySpanExporter:
    """Return an exporter that holds the spans of one test."""
    every_span.clear()
    return every_span


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    """Yield a sandbox with 200 runs."""
    async with running(SandboxOptions()) as started:
        yield started


@pytest.fixture
def config(sandbox: Sandbox) -> Config:
    """Return a configuration for the sandbox."""
    return Config(api=sandbox_api(sandbox.url, ApiSettings()), streaming=StreamingSettings(flush_ms=5))


@pytest.fixture
def mode() -> str:
    """Return the mode in which clients connect by default: the handshake era, which most clients use."""
    return HANDSHAKE


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers poll runs, and search for runs whose response was lost, without the usual pauses."""
    monkeypatch.setattr(stream_hub, "FIRST_POLL_S", 0.01)
    monkeypatch.setattr(run_poller, "FIRST_POLL_S", 0.01)
    monkeypatch.setattr(idempotent_create, "SEARCH_AFTER_S", (0, 0, 0))


Connect = Callable[[Config], AbstractAsyncContextManager[Client]]


@pytest.fixture
def connect(mode: str) -> Connect:
    """Return a function that connects a client to a server with some configuration."""
    return lambda config: Client(build_server(config).mcp, mode=mode, client_info=PATIENT)


@pytest.fixture
async def client(config: Config, connect: Connect) -> AsyncIterator[Client]:
    """Yield a client of a server in front of the sandbox."""
    async with connect(config) as connected:
        yield connected
