"""URLs and addresses in settings."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

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
    parts = _split(url)
    return parts is not None and _has_valid_port(parts) and parts.scheme in ("http", "https") and bool(parts.hostname)


def http_url(url: str) -> str:
    """Return `url` without trailing slashes.

    Raises:
        ValueError: `url` is not an http or https URL, or contains a user, password, query or fragment.
    """
    parts = _split(url)
    if parts and not _has_valid_port(parts):
        raise ValueError("Port out of range 0-65535, or not a number")
    # `urlsplit` accepts port 0, to which no connection is possible.
    if parts is None or not is_http(url) or parts.port == 0:
        raise ValueError("must be an http or https URL such as https://api.vertesia.io/api/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not contain a user, password, query or fragment")
    return url.rstrip("/")


def is_redis(url: str) -> bool:
    """Return true if `url` names a Redis server, and its password is escaped."""
    parts = _split(url)
    if parts is None or not _has_valid_port(parts) or parts.scheme not in ("redis", "rediss", "unix"):
        return False
    # An unescaped `/`, `?` or `#` in the password ends the part of the URL that contains it, before its `@`.
    return "@" not in parts.path + parts.query + parts.fragment


def host_and_port(address: str) -> tuple[str, int] | None:
    """Return the host and port of `HOST:PORT`; None if `address` has another form."""
    parts = _split(f"//{address}")  # removes the brackets of an IPv6 address, which `partition` would keep
    if parts is None or not _has_valid_port(parts) or parts.hostname is None or parts.port is None:
        return None
    return parts.hostname, parts.port


def is_unencrypted(url: str) -> bool:
    """Return true if requests to `url` cross a network without encryption."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def _split(url: str) -> SplitResult | None:
    """Return the parts of `url`; None if it is malformed."""
    try:
        return urlsplit(url)
    except ValueError:
        # Its text is not passed on, because it can contain a part of a password that is not escaped.
        return None


def _has_valid_port(parts: SplitResult) -> bool:
    """Return true if the port is missing or a number up to 65535."""
    try:
        _ = parts.port
    except ValueError:
        return False
    return True
