"""The process that serves MCP over Streamable HTTP."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from socket import socket

from runs_mcp.config.addresses import is_loopback
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.http.app import Service, build_service
from runs_mcp.http.drained_server import DrainedServer, log_address, url_of, uvicorn_settings
from runs_mcp.http.profile_servers import Build
from runs_mcp.http.server_sockets import duplicated, server_sockets, with_address
from runs_mcp.server.server import build_server

log = logging.getLogger(__name__)

ServeMetrics = Callable[[str, int], AbstractContextManager[tuple[str, int]]]
"""Serves metrics at a host and a port for the duration of a block, and yields both."""


async def serve(config: Config, *, host: str, port: int, build: Build = build_server) -> None:
    """Serve MCP at `http://{host}:{port}/mcp` until the process is stopped; `build` creates the servers.

    Raises:
        ConfigError: `host` is not loopback and callers are not authenticated, or `config` is unusable.
        CredentialError: the credential for the Runs API is missing.
        OSError: the port is in use or may not be opened.
    """
    service = service_at(config, host, build=build)
    server = DrainedServer(uvicorn_settings(service.app), service, started=_log_addresses)
    with metrics_served(service.metrics.serve if service.metrics else None, config.server.http.metrics_address):
        async with server_sockets(host, port) as sockets:
            await server.serve(duplicated(sockets))


def _log_addresses(sockets: Sequence[socket]) -> None:
    """Log the addresses, of which the system may have chosen the port."""
    for name, port in sorted({listener.getsockname()[:2] for listener in sockets}):
        log_address(name, port)


def service_at(config: Config, host: str, *, build: Build = build_server) -> Service:
    """Return the service for `config`, bound to `host`.

    Raises:
        ConfigError: `host` is not loopback and callers are not authenticated, or `config` is unusable.
        CredentialError: the credential for the Runs API is missing.
    """
    if not is_loopback(host) and config.server.http.auth.kind == "none":
        raise ConfigError(
            f"--host {host}: server.http.auth.kind is none, which serves loopback only (127.0.0.1). "
            "Set it to bearer or jwt to authenticate callers."
        )
    return build_service(config, host=host, build=build)


@contextmanager
def metrics_served(serve_metrics: ServeMetrics | None, address: tuple[str, int] | None) -> Iterator[None]:
    """Serve metrics for the duration of the block; without `address`, serve nothing.

    Raises:
        OSError: the address is in use or may not be opened.
    """
    if serve_metrics is None or address is None:
        yield
        return
    with ExitStack() as serving:
        try:
            host, port = serving.enter_context(serve_metrics(*address))
        except OSError as error:
            raise with_address(error, *address, setting="server.http.metrics") from None
        log.info("serving metrics at %s/metrics", url_of(host, port))
        yield
