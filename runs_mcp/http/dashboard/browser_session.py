"""Access to the dashboard: a token that works once, then a cookie.

An address that grants access for good would remain in the history of the browser and in lists of processes.
"""

import secrets
from hmac import compare_digest
from html import escape

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "token"  # noqa: S105 - the name of a parameter
SAME_ORIGIN = ("same-origin", "none")
"""Values of `Sec-Fetch-Site` in requests of the dashboard's own pages and of the person at the browser.

Pages on other ports of 127.0.0.1 count as the same site, so browsers send the cookie with their requests."""
REFUSED = (
    "This address gives access once, and has been used or is out of date. "
    "Start `runs-mcp dashboard` again: it prints a new one.\n"
)
CLEAN_ADDRESS = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Runs</title>
<meta http-equiv="refresh" content="0; url={}">
"""


class BrowserSession:
    """Admits the first browser that presents the token, and later the requests with the cookie it received."""

    def __init__(self, app: ASGIApp, *, authority: str) -> None:
        """`authority` is the host and port that requests have to name."""
        self.token = secrets.token_urlsafe(32)
        self._app = app
        self._authority = authority
        # Cookies are shared by all ports of a host.
        self._cookie = f"runs-mcp-{authority.rpartition(':')[2]}"
        self._secret = secrets.token_urlsafe(32)
        self._admitted = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":  # of the lifespan
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        response = self._refusal(request.headers) or self._sign_in(request)
        await (response or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        """Return the refusal of a request for another host (DNS rebinding) or of a page of another origin."""
        if headers.getlist("host") != [self._authority]:
            return PlainTextResponse("Invalid Host header\n", 421)
        if any(origin != f"http://{self._authority}" for origin in headers.getlist("origin")):
            return PlainTextResponse("Invalid Origin header\n", 403)
        return None

    def _sign_in(self, request: Request) -> Response | None:
        """Return the answer to a request with a token or without a cookie; None if the request may pass."""
        known = _equal(request.cookies.get(self._cookie), self._secret)
        token = request.query_params.get(TOKEN)
        if token is not None and request.method == "GET" and (known or self._claim(token)):
            return self._welcome(request)
        if known and request.headers.get("sec-fetch-site", "none") in SAME_ORIGIN:
            return None
        return PlainTextResponse(REFUSED, 403, headers={"Cache-Control": "no-store"})

    def _claim(self, token: str) -> bool:
        """Return true for the token, the first time."""
        first = not self._admitted and _equal(token, self.token)
        self._admitted = self._admitted or first
        return first

    def _welcome(self, request: Request) -> Response:
        """Return a page that goes on to the address without the token, with the cookie.

        The page navigates, since browsers withhold a `SameSite=Strict` cookie from a redirect that began elsewhere: in
        a file, for example.
        """
        # A whole address: `//example.com/`, which can be a path, would be the address of another host.
        address = str(request.url.remove_query_params(TOKEN))
        response = HTMLResponse(CLEAN_ADDRESS.format(escape(address)))
        response.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict")
        MutableHeaders(raw=response.raw_headers).update(
            {
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
                "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            }
        )
        return response


def _equal(given: str | None, secret: str) -> bool:
    return given is not None and compare_digest(given.encode(), secret.encode())
