"""URLs and addresses in settings."""

from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK_ADDRESS = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Return true if `host` is `localhost` or a loopback address, so that requests to it cross no network.

    Subdomains of `localhost` are loopback too (RFC 6761, section 6.3), but some resolvers ask the network for them.
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_http(url: str) -> bool:
    """Return true if `url` is an http or https URL with a host."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def http_url(url: str) -> str:
    """Return `url` without trailing slashes.

    Raises:
        ValueError: `url` is not an http or https URL, or contains a user, password, query or fragment.
    """
    parts = urlsplit(url)
    # `urlsplit` accepts port 0, to which no connection is possible.
    if not is_http(url) or parts.port == 0:
        raise ValueError("must be an http or https URL such as https://api.vertesia.io/api/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not contain a user, password, query or fragment")
    return url.rstrip("/")


def is_redis(url: str) -> bool:
    """Return true if `url` names a Redis server."""
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        # Its text is not passed on: an unescaped `/` or `#` in a password makes half of the password the "port".
        return False
    return parts.scheme in ("redis", "rediss", "unix")


def host_and_port(address: str) -> tuple[str, int] | None:
    """Return the host and port of `HOST:PORT`; None if `address` has another form."""
    parts = urlsplit(f"//{address}")  # removes the brackets of an IPv6 address, which `partition` would keep
    try:
        port = parts.port
    except ValueError:
        return None
    return None if parts.hostname is None or port is None else (parts.hostname, port)


def is_unencrypted(url: str) -> bool:
    """Return true if requests to `url` cross a network without encryption."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
