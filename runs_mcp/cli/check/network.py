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
from runs_mcp.api.requests.proxies import Proxies
from runs_mcp.api.requests.transport import load_trust
from runs_mcp.cli.check.examination import Examination, Hop
from runs_mcp.cli.check.explanations import NETWORK, TRUST
from runs_mcp.cli.check.findings import Finding, Look, check, failed, ok, skipped, warning
from runs_mcp.config.addresses import LOOPBACK

TRUST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PORTS = {"http": 80, "https": 443}


def _reaching(look: Look) -> Look:
    """Return `look` with network errors turned into findings."""

    @wraps(look)
    async def looked(about: Examination) -> Finding:
        try:
            return await look(about)
        except (OSError, UnicodeError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
            return _unreachable(_root(error), about.hop)

    return looked


@check("route", after=("configuration",))
async def route(about: Examination) -> Finding:
    """Find the proxy and the trusted certificates."""
    url = urlsplit(about.base_url)
    try:
        proxy = Proxies.from_environment().find(about.base_url)
    except ProxySettingsError as error:
        return failed(str(error), "Set HTTPS_PROXY to a URL such as http://proxy:3128.")
    next_hop = urlsplit(proxy) if proxy else url
    port = next_hop.port or PORTS[next_hop.scheme]
    about.hop = Hop(next_hop.hostname or "", port, proxied=proxy is not None)
    facts = {"proxy": f"{next_hop.hostname}:{port}" if proxy else None}
    way = f"by the proxy {facts['proxy']}" if proxy else "direct"
    if url.scheme != "https":
        return ok(way, **facts)
    about.trust, certificates = load_trust(), _certificates()
    facts["certificates"] = certificates
    if (file := os.environ.get("SSL_CERT_FILE")) and (flaw := _flaw(file)):
        return warning(f"{way}, trusting {certificates}, but that file is {flaw}", "Correct SSL_CERT_FILE.", **facts)
    return ok(f"{way}, trusting {certificates}", **facts)


@check("dns", after=("route",))
@_reaching
async def dns(about: Examination) -> Finding:
    """Resolve the host name of the API or of the proxy."""
    host = about.hop.host
    addresses = await _resolved(host, about.hop.port)
    text = f"{host} is an address" if addresses == [host] else f"{host} is {', '.join(addresses)}"
    return ok(text, host=host, addresses=addresses)


@check("connection", after=("dns",))
@_reaching
async def connection(about: Examination) -> Finding:
    """Connect to the port of the API or of the proxy."""
    started = time.perf_counter()
    async with await anyio.connect_tcp(about.hop.host, about.hop.port):
        took_ms = round((time.perf_counter() - started) * 1_000)
    return ok(f"port {about.hop.port} accepts in {took_ms} ms", port=about.hop.port, milliseconds=took_ms)


@check("tls", after=("connection",))
@_reaching
async def tls(about: Examination) -> Finding:
    """Verify the certificate of the API."""
    if about.trust is None:
        if about.host in LOOPBACK:
            return skipped("plain http, to this machine")
        return warning(f"plain http: the credential goes to {about.host} unencrypted", "Use https in api.base_url.")
    if about.hop.proxied:
        return skipped("not visible through the proxy; the first request verifies it")
    async with (
        await anyio.connect_tcp(about.hop.host, about.hop.port) as plain,
        await TLSStream.wrap(plain, hostname=about.host, ssl_context=about.trust, standard_compatible=False) as stream,
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


def _flaw(file: str) -> str | None:
    """Return the flaw of a certificate file, which OpenSSL ignores silently; None if it has none."""
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return "no certificate file"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return None


async def _resolved(host: str, port: int) -> list[str]:
    """Resolve `host` in a daemon thread, since a resolver can block for minutes and the exit must not wait for it."""
    answer: Future[list[str]] = Future()
    answered, token = anyio.Event(), current_token()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.set_result(list(dict.fromkeys(str(address[0]) for *_, address in found)))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)
        with suppress(anyio.RunFinishedError):
            from_thread.run_sync(answered.set, token=token)

    Thread(target=ask, daemon=True).start()
    await answered.wait()
    return answer.result()


def _issuer(certificate: Mapping[str, Any]) -> str:
    names = {name: value for part in certificate.get("issuer", ()) for name, value in part}
    return str(names.get("organizationName") or names.get("commonName") or "an unnamed issuer")


def _unreachable(error: BaseException, hop: Hop) -> Finding:
    there = f"{hop.host} port {hop.port}"
    match error:
        case socket.gaierror():
            return failed(f"{hop.host} does not resolve: {error.strerror}", NETWORK)
        case UnicodeError():
            return failed(f"{hop.host} is not a valid host name", "Correct api.base_url.")
        case ssl.SSLCertVerificationError():
            return failed(f"the certificate is not trusted: {error.verify_message}", TRUST)
        case ssl.SSLError():
            return failed(f"{there} does not speak TLS ({error.reason})", "Check scheme and port of api.base_url.")
        case ConnectionRefusedError():
            return failed(f"{there} refuses connections", f"Start the API there, or correct the port. {NETWORK}")
        case OSError() if error.strerror:
            return failed(f"{there} cannot be reached: {error.strerror}", NETWORK)
        case _:
            return failed(f"{there} closed the connection", NETWORK)


def _root(error: BaseException) -> BaseException:
    """Return the first cause of an error; of several addresses tried, that of the first."""
    while cause := error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__:
        error = cause
    return error
