"""Cross-origin resource sharing (CORS): headers that let allowed web pages call the service from a browser."""

import re

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from runs_mcp.config.http_settings import HttpSettings
from runs_mcp.observability.request_id import HEADER

ANY_PORT = ":*"
ANY_SUBDOMAIN = "://*."
PREFLIGHT_S = 600
"""Seconds for which a browser keeps the answer to a preflight."""


def cors_middleware(app: ASGIApp, settings: HttpSettings) -> CORSMiddleware:
    """Return `app` with CORS headers for the pages of `allowed_origins`."""
    return CORSMiddleware(
        app,
        allow_origin_regex="|".join(map(_pattern, settings.allowed_origins)) or None,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],  # clients send headers of their own, and credentials are not in cookies
        # A page can read only these headers, and a client needs the session id for its next request.
        expose_headers=["Mcp-Session-Id", "Retry-After", "WWW-Authenticate", HEADER],
        max_age=PREFLIGHT_S,
    )


def _pattern(origin: str) -> str:
    """Return the regular expression for an allowed origin; browsers send origins in lower case."""
    host = re.escape(origin.lower().removesuffix(ANY_PORT)).replace(re.escape(ANY_SUBDOMAIN), r"://[a-z0-9_.-]+\.")
    return host + (r"(:\d+)?" if origin.endswith(ANY_PORT) else "")
