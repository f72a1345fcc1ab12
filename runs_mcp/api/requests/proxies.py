"""Proxies of the environment, and the hosts that are reached without one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from runs_mcp.api.errors import ProxySettingsError
from runs_mcp.config.addresses import is_loopback

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxies:
    """A proxy for each scheme of URL, and the exceptions.

    `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` hold URLs of http or https proxies; `http://` may be left out.
    `NO_PROXY` lists exceptions as curl reads them: `*`, a host (which stands for its subdomains too), an address or
    a CIDR range, each with an optional `:port`. Loopback, including subdomains of `localhost`, is never reached through
    a proxy: the credential would leave the machine unencrypted.
    """

    by_scheme: Mapping[str, str] = field(repr=False)  # URLs can hold passwords
    exceptions: tuple[str, ...] = ()
    of_system: bool = False
    """True: the settings are those of macOS or Windows, which have exceptions of their own."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read the proxies of the environment, else those of the system.

        Raises:
            ProxySettingsError: a proxy is of an unsupported kind, such as SOCKS, or its URL is malformed.
        """
        environment = getproxies_environment()
        found = environment or getproxies()
        return cls(
            {scheme: _proxy_url(scheme, found[scheme]) for scheme in ("http", "https", "all") if found.get(scheme)},
            tuple(found.get("no", "").replace(",", " ").lower().split()),
            of_system=not environment,
        )

    @property
    def secrets(self) -> Iterator[str]:
        """The passwords of the proxies, alone and after the name of their user, as written and decoded."""
        for parts in map(urlsplit, self.by_scheme.values()):
            if parts.password:
                # With the name, since a short password alone is not replaced: it would be found in ordinary words.
                for text in (parts.password, f"{parts.username}:{parts.password}"):
                    yield text
                    yield unquote(text)

    def find(self, url: str) -> str | None:
        """Return the URL of the proxy for requests to `url`, or None if they go direct."""
        parts = urlsplit(url)
        proxy = self.by_scheme.get(parts.scheme) or self.by_scheme.get("all")
        host = (parts.hostname or "").rstrip(".")
        is_local = is_loopback(host) or host.endswith(".localhost")
        if proxy is None or is_local or (self.of_system and proxy_bypass(host)):
            return None
        port = parts.port or PORTS.get(parts.scheme)
        return None if any(_is_exception(entry, host, port) for entry in self.exceptions) else proxy


def _proxy_url(scheme: str, value: str) -> str:
    name = f"{scheme.upper()}_PROXY"
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ProxySettingsError(f"{name} is not the URL of a proxy; use one such as http://proxy:3128") from None
    if parts.scheme not in PORTS:
        raise ProxySettingsError(
            f"{name}: {parts.scheme} proxies are not supported; use an http or https proxy such as http://proxy:3128"
        )
    if not valid:
        raise ProxySettingsError(f"{name} names no host; use a URL such as http://proxy:3128")
    return url


def _is_exception(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    entry, entry_port = _split_port(entry)
    if entry_port is not None and entry_port != port:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        name = entry.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    """Split `host:port` or `[address]:port`; a bare IPv6 address has several colons and no port."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        host, port = host + (rest if rest.startswith("/") else ""), rest.removeprefix(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    else:
        return entry, None
    return host, int(port) if port.isdecimal() else None
