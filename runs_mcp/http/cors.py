"""Where requests may come from: by which names the service is reached, and which web pages may call it."""

import re
from urllib.parse import urlsplit

from mcp.server.transport_security import TransportSecuritySettings
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from runs_mcp.config.http_settings import HttpSettings, JwtAuthSettings
from runs_mcp.observability.request_id import HEADER

ANY_PORT = ":*"
PREFLIGHT_S = 600
"""Seconds that a browser need not ask again."""


def checked(settings: HttpSettings) -> TransportSecuritySettings:
    """The `Host` and `Origin` headers let in.

    Requests by any other name are refused: a web page could otherwise reach loopback by DNS rebinding.
    """
    names = ["127.0.0.1:*", "localhost:*", "[::1]:*"]
    public = [urlsplit(settings.auth.resource_url).netloc] if isinstance(settings.auth, JwtAuthSettings) else []
    hosts = [*settings.allowed_hosts, *public]
    own = [f"{scheme}://{name}" for name in hosts for scheme in ("http", "https")]
    return TransportSecuritySettings(
        allowed_hosts=[*names, *hosts],
        allowed_origins=[*(f"http://{name}" for name in names), *own, *settings.allowed_origins],
    )


def preflights(app: ASGIApp, settings: HttpSettings) -> CORSMiddleware:
    """`app`, with the headers by which browsers let pages of `allowed_origins`, and of no other, call it."""
    return CORSMiddleware(
        app,
        allow_origin_regex="|".join(map(_pattern, settings.allowed_origins)) or None,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["Mcp-Session-Id", "Retry-After", "WWW-Authenticate", HEADER],
        max_age=PREFLIGHT_S,
    )


def _pattern(origin: str) -> str:
    return re.escape(origin.removesuffix(ANY_PORT)) + (r":\d+" if origin.endswith(ANY_PORT) else "")
