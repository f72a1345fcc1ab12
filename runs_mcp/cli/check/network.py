"""Checks of the network: proxy, trusted certificates, DNS, connection, TLS."""

import os
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import anyio
import certifi
from anyio import from_thread
from anyio.lowlevel import current_token
from anyio.streams.tls import TLSAttribute, TLSStream

from runs_mcp.api import ProxySettingsError
from runs_mcp.api.requests.proxies import PORTS, Proxies
from runs_mcp.api.requests.transport import TRUST_VARIABLES, load_trust
from runs_mcp.cli.check.examination import Examination, Hop
from runs_mcp.cli.check.explanations import NETWORK, TRUST
from runs_mcp.cli.check.findings import CheckFunction, Finding, check, failed, ok, skipped, warning
from runs_mcp.config.addresses import is_loopback


def _report_network_errors(function: CheckFunction) -> CheckFunction:
    """Return `function` with network errors turned into findings."""

    @wraps(function)
    async def wrapper(state: Examination) -> Finding:
        try:
            return await function(state)
        except (OSError, UnicodeError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
            return _unreachable(_root(error), state.hop)

    return wrapper


@check("route", after=("configuration",))
async def route(state: Examination) -> Finding:
    """Find the proxy and the trusted certificates."""
    url = urlsplit(state.base_url)
    try:
        proxy = Proxies.from_environment().find(state.base_url)
    except ProxySettingsError as error:
        return failed(str(error), "Set HTTPS_PROXY to a URL such as http://proxy:3128.")
    next_hop = urlsplit(proxy) if proxy else url
    port = next_hop.port or PORTS[next_hop.scheme]
    state.hop = Hop(next_hop.hostname or "", port, proxied=proxy is not None)
    facts = {"proxy": f"{next_hop.hostname}:{port}" if proxy else None}
    route = f"by the proxy {facts['proxy']}" if proxy else "direct"
    if url.scheme != "https":
        return ok(route, **facts)
    state.trust, certificates = load_trust(), _certificates()
    facts["certificates"] = certificates
    if (file := os.environ.get("SSL_CERT_FILE")) and (problem := _certificate_problem(file)):
        text = f"{route}, trusting {certificates}, but that file is {problem}"
        return warning(text, "Correct SSL_CERT_FILE.", **facts)
    return ok(f"{route}, trusting {certificates}", **facts)


@check("dns", after=("route",))
@_report_network_errors
async def dns(state: Examination) -> Finding:
    """Resolve the host name of the API or of the proxy."""
    host = state.hop.host
    addresses = await _resolve(host, state.hop.port)
    text = f"{host} is an address" if addresses == [host] else f"{host} is {', '.join(addresses)}"
    return ok(text, host=host, addresses=addresses)


@check("connection", after=("dns",))
@_report_network_errors
async def connection(state: Examination) -> Finding:
    """Connect to the port of the API or of the proxy."""
    started = time.perf_counter()
    async with await anyio.connect_tcp(state.hop.host, state.hop.port):
        took_ms = round((time.perf_counter() - started) * 1_000)
    return ok(f"port {state.hop.port} accepts in {took_ms} ms", port=state.hop.port, milliseconds=took_ms)


@check("tls", after=("connection",))
@_report_network_errors
async def tls(state: Examination) -> Finding:
    """Verify the certificate of the API."""
    if state.trust is None:
        if is_loopback(state.host):
            return skipped("plain http, to this machine")
        return warning(f"plain http: the credential goes to {state.host} unencrypted", "Use https in api.base_url.")
    # A direct connection would test a route that requests do not take, and often a firewall blocks it.
    if state.hop.proxied:
        return skipped("not visible through the proxy; the first request verifies it")
    async with (
        await anyio.connect_tcp(state.hop.host, state.hop.port) as plain,
        await TLSStream.wrap(plain, hostname=state.host, ssl_context=state.trust, standard_compatible=False) as stream,
    ):
        session = stream.extra(TLSAttribute.ssl_object)  # noqa: S610 - the name of anyio's method
        version, certificate = session.version(), dict(session.getpeercert() or {})
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    text = f"{version}, certificate of {_issuer(certificate)} until {until:%Y-%m-%d}"
    return ok(text, version=version, issuer=_issuer(certificate), expires_at=until.isoformat())


def _certificates() -> str:
    """Return a description of the certificates that are trusted."""
    chosen = [f"{name} ({os.environ[name]})" for name in TRUST_VARIABLES if name in os.environ]
    return " and ".join(chosen) or f"the authorities of this machine, and certifi {certifi.__version__}"


def _certificate_problem(file: str) -> str | None:
    """Return the problem of a certificate file, which OpenSSL ignores silently; None if the file is usable."""
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return "no certificate file"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return None


async def _resolve(host: str, port: int) -> list[str]:
    """Resolve `host` in a daemon thread, since a resolver can block for minutes and the exit must not wait for it."""
    future: Future[list[str]] = Future()
    resolved, token = anyio.Event(), current_token()

    def resolve() -> None:
        try:
            records = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            future.set_result(list(dict.fromkeys(str(address[0]) for *_, address in records)))
        except (OSError, UnicodeError) as error:
            future.set_exception(error)
        # The check may have timed out and the event loop ended in the meantime.
        with suppress(anyio.RunFinishedError):
            from_thread.run_sync(resolved.set, token=token)

    Thread(target=resolve, daemon=True).start()
    await resolved.wait()
    return future.result()


def _issuer(certificate: Mapping[str, Any]) -> str:
    names = {name: value for part in certificate.get("issuer", ()) for name, value in part}
    return str(names.get("organizationName") or names.get("commonName") or "an unnamed issuer")


def _unreachable(error: BaseException, hop: Hop) -> Finding:
    endpoint = f"{hop.host} port {hop.port}"
    match error:
        case socket.gaierror():
            return failed(f"{hop.host} does not resolve: {error.strerror}", NETWORK)
        case UnicodeError():
            return failed(f"{hop.host} is not a valid host name", "Correct api.base_url.")
        case ssl.SSLCertVerificationError():
            return failed(f"the certificate is not trusted: {error.verify_message}", TRUST)
        case ssl.SSLError():
            return failed(f"{endpoint} does not speak TLS ({error.reason})", "Check scheme and port of api.base_url.")
        case ConnectionRefusedError():
            return failed(f"{endpoint} refuses connections", f"Start the API there, or correct the port. {NETWORK}")
        case OSError() if error.strerror:
            return failed(f"{endpoint} cannot be reached: {error.strerror}", NETWORK)
        case _:
            return failed(f"{endpoint} closed the connection", NETWORK)


def _root(error: BaseException) -> BaseException:
    """Return the first cause of an error; if several addresses were tried, the cause for the first address."""
    while cause := error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__:
        error = cause
    return error
