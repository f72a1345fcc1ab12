"""Checks of the `Host` and `Origin` headers.

Without them a web page could call the service on loopback by DNS rebinding: the browser resolves the page's own host
name to 127.0.0.1. MCP requires the check of `Origin` ("Security Warning" of the Streamable HTTP transport). The check
of the SDK accepts `127.0.0.1:80.evil.com` as loopback, and compares case and default ports literally.
"""

import re
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.config.addresses import is_loopback
from runs_mcp.config.http_settings import HttpSettings, JwtAuthSettings
from runs_mcp.config.problems import ConfigError

LAST_PORT = 65_535
KNOWN_HOSTS = 16
"""Maximum number of hosts whose check is remembered."""
DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?P<port>\d{1,5}|\*))?")


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A host or all its subdomains (`*.example.com`), on its default ports, a given port, or any port (`:*`)."""

    name: str
    port: str | None

    @classmethod
    def parse(cls, text: str) -> "HostPattern | None":
        """Return the pattern for `text`; None if `text` is malformed."""
        match = _NAME.fullmatch(text.lower())
        if not match or ((match["port"] or "").isdecimal() and int(match["port"]) > LAST_PORT):
            return None
        try:
            return cls(_canonical(match["name"]), match["port"])
        except AddressValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """True for `localhost` and for loopback addresses, on any port."""
        return is_loopback(self.name.strip("[]"))

    def matches(self, host: "HostPattern", *, default_ports: Iterable[int]) -> bool:
        """Return true if the pattern includes `host`, which has no wildcards. No port means any default port."""
        wildcard = self.name.startswith("*.")
        if not (host.name.endswith(self.name[1:]) if wildcard else host.name == self.name):
            return False
        defaults = {str(port) for port in default_ports}
        ports = {self.port} if self.port else defaults
        return self.port == "*" or bool(ports & ({host.port} if host.port else defaults))


@dataclass(frozen=True, slots=True)
class OriginPattern:
    """The origin of a web page: a scheme and a host."""

    scheme: str
    host: HostPattern

    @classmethod
    def parse(cls, text: str) -> "OriginPattern | None":
        """Return the pattern for `text`; None if `text` is malformed."""
        scheme, separator, host = text.lower().partition("://")
        pattern = HostPattern.parse(host) if separator and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) else None
        return cls(scheme, pattern) if pattern else None

    def matches(self, origin: "OriginPattern") -> bool:
        """Return true if the pattern includes `origin`, which has no wildcards."""
        default = DEFAULT_PORTS.get(self.scheme, 0)
        return self.scheme == origin.scheme and self.host.matches(origin.host, default_ports=[default])


class HostCheck:
    """Middleware that refuses requests for an unknown host (421) and requests of unknown web pages (403)."""

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        """Raises: ConfigError: an entry of `allowed_hosts` or `allowed_origins` is malformed."""
        self._app = app
        public = [urlsplit(settings.auth.resource_url).netloc] if isinstance(settings.auth, JwtAuthSettings) else []
        hosts = [*settings.allowed_hosts, *public]
        self._hosts = list(map(_host_pattern, hosts))
        # Pages of the service's own host are allowed, under both schemes: a proxy in front of it can terminate TLS.
        own = [f"{scheme}://{name}" for name in hosts for scheme in DEFAULT_PORTS]
        self._origins = [_origin_pattern(entry) for entry in (*own, *settings.allowed_origins)]
        # Parsing takes a sixth of the function calls of all layers, and nearly all requests name the same host.
        self._is_known = lru_cache(KNOWN_HOSTS)(self._matches)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        # 421 Misdirected Request (RFC 9110, section 15.5.20); 403 for `Origin` is what MCP requires.
        if len(hosts) != 1 or not self._is_known(hosts[0]):  # exactly one: RFC 9112, section 3.2
            return PlainTextResponse("Invalid Host header", 421)(scope, receive, send)
        if not all(map(self.allows, headers.getlist("origin"))):
            return PlainTextResponse("Invalid Origin header", 403)(scope, receive, send)
        return self._app(scope, receive, send)

    def allows(self, origin: str) -> bool:
        """Return true if pages of `origin` may call."""
        # An asterisk is valid in a setting only; in a header it would be compared as a wildcard.
        parsed = OriginPattern.parse(origin) if "*" not in origin else None
        if parsed is None:
            return False
        is_local = parsed.scheme == "http" and parsed.host.is_loopback
        return is_local or any(allowed.matches(parsed) for allowed in self._origins)

    def _matches(self, header: str) -> bool:
        """Return true if the value of a Host header names an allowed host, or a loopback address."""
        host = HostPattern.parse(header) if "*" not in header else None
        if host is None:
            return False
        # Either default port: whether the client used TLS is unknown behind a proxy that terminates it.
        ports = DEFAULT_PORTS.values()
        return any(allowed.matches(host, default_ports=ports) for allowed in self._hosts) or host.is_loopback


def _canonical(name: str) -> str:
    """Return `name`; an IPv6 address in its shortest form (RFC 5952), because clients may write any form of it."""
    return f"[{IPv6Address(name[1:-1])}]" if name.startswith("[") else name


def _host_pattern(entry: str) -> HostPattern:
    if pattern := HostPattern.parse(entry):
        return pattern
    raise ConfigError(
        f"server.http.allowed_hosts: {entry!r} is not a host such as runs.example.com, runs.example.com:8443, "
        "runs.example.com:* or *.example.com."
    )


def _origin_pattern(entry: str) -> OriginPattern:
    if pattern := OriginPattern.parse(entry):
        return pattern
    raise ConfigError(
        f"server.http.allowed_origins: {entry!r} is not an origin such as https://chat.example.com or "
        "http://localhost:*."
    )
