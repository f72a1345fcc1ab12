"""URLs and addresses in settings."""

from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_http(url: str) -> bool:
    """Return true if `url` is an http or https URL with a host."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def http_url(url: str) -> str:
    """Return `url` without trailing slashes.

    Raises:
        ValueError: it is not a plain http or https URL.
    """
    parts = urlsplit(url)
    if not is_http(url) or parts.port == 0:
        raise ValueError("must be an http or https URL such as https://api.vertesia.io/api/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must carry no user, password, query or fragment")
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
    """Split `HOST:PORT`; None if `address` has another form."""
    parts = urlsplit(f"//{address}")
    try:
        port = parts.port
    except ValueError:
        return None
    return None if parts.hostname is None or port is None else (parts.hostname, port)


def is_unencrypted(url: str) -> bool:
    """Return true if requests to `url` cross a network without encryption."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK
