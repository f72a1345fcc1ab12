"""Checks of the way to the API: proxy and trust, name, connection, certificate."""

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
from runs_mcp.api.proxies import Proxies
from runs_mcp.api.transport import load_trust
from runs_mcp.cli.check.examination import Examination, Hop
from runs_mcp.cli.check.explanations import NETWORK, TRUST
from runs_mcp.cli.check.findings import Finding, Look, check, failed, ok, skipped, warning
from runs_mcp.config.addresses import LOOPBACK

TRUST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PORTS = {"http": 80, "https": 443}


def _reaching(look: Look) -> Look:
    """`look`, with what can happen on the way to the API in words."""

    @wraps(look)
    async def looked(about: Examination) -> Finding:
        try:
            return await look(about)
        except (OSError, UnicodeError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
            return _unreachable(_root(error), about.hop)

    return looked


@check("route", after=("configuration",))
async def route(about: Examination) -> Finding:
    """By which proxy requests go, and by which certificates whoever answers is trusted."""
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
    """Whether the name of the API, or of the proxy, stands for an address."""
    host = about.hop.host
    addresses = await _resolved(host, about.hop.port)
    text = f"{host} is an address" if addresses == [host] else f"{host} is {', '.join(addresses)}"
    return ok(text, host=host, addresses=addresses)


@check("connection", after=("dns",))
@_reaching
async def connection(about: Examination) -> Finding:
    """Whether somebody listens there."""
    started = time.perf_counter()
    async with await anyio.connect_tcp(about.hop.host, about.hop.port):
        took_ms = round((time.perf_counter() - started) * 1_000)
    return ok(f"port {about.hop.port} accepts in {took_ms} ms", port=about.hop.port, milliseconds=took_ms)


@check("tls", after=("connection",))
@_reaching
async def tls(about: Examination) -> Finding:
    """Whether who listens is who the name says."""
    if about.trust is None:
        if about.host in LOOPBACK:
            return skipped("plain http, to this machine")
        return warning(f"plain http: the credential goes to {about.host} in the clear", "Use https in api.base_url.")
    if about.hop.proxied:
        return skipped("the proxy stands between; the first request tells")
    async with (
        await anyio.connect_tcp(about.hop.host, about.hop.port) as plain,
        await TLSStream.wrap(plain, hostname=about.host, ssl_context=about.trust, standard_compatible=False) as stream,
    ):
        session = stream.extra(TLSAttribute.ssl_object)  # noqa: S610 - anyio's word for it
        version, certificate = session.version(), dict(session.getpeercert() or {})
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    text = f"{version}, certificate of {_issuer(certificate)} until {until:%Y-%m-%d}"
    return ok(text, version=version, issuer=_issuer(certificate), expires_at=until.isoformat())


def _certificates() -> str:
    """What the certificates of servers are checked against."""
    chosen = [f"{name} ({os.environ[name]})" for name in TRUST_VARIABLES if name in os.environ]
    return " and ".join(chosen) or f"the authorities of this machine, and certifi {certifi.__version__}"


def _flaw(file: str) -> str | None:
    """Why a file of certificates is of no use; OpenSSL leaves it aside in silence."""
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return "not one of certificates"
    except OSError as error:
        return f"not to be read: {error.strerror}"
    return None


async def _resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, asked for in a thread that no exit waits for: resolvers can be silent for minutes."""
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
    return str(names.get("organizationName") or names.get("commonName") or "an issuer without a name")


def _unreachable(error: BaseException, hop: Hop) -> Finding:
    there = f"{hop.host} port {hop.port}"
    match error:
        case socket.gaierror():
            return failed(f"{hop.host} does not resolve: {error.strerror}", NETWORK)
        case UnicodeError():
            return failed(f"{hop.host} is not the name of a host", "Correct api.base_url.")
        case ssl.SSLCertVerificationError():
            return failed(f"the certificate is not trusted: {error.verify_message}", TRUST)
        case ssl.SSLError():
            return failed(f"{there} does not speak TLS ({error.reason})", "Check scheme and port of api.base_url.")
        case ConnectionRefusedError():
            return failed(f"{there} refuses connections", f"See that something serves there. {NETWORK}")
        case OSError() if error.strerror:
            return failed(f"{there} cannot be reached: {error.strerror}", NETWORK)
        case _:
            return failed(f"{there} hung up", NETWORK)


def _root(error: BaseException) -> BaseException:
    """What went wrong first; of several addresses that were tried, at the first."""
    while cause := error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__:
        error = cause
    return error
