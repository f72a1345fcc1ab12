"""Revocation: a caller's requests, streams and sessions end within seconds after its credential becomes invalid."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.http.auth.verifiers import CallerVerifier
from runs_mcp.http.layers.message import message_of
from runs_mcp.http.layers.sessions import Sessions

CHECK_S = 1.0
"""Seconds between two checks of the credentials in use."""
RENEWAL_S = 60.0
"""Seconds by which sessions and calls, but no streams, outlive a JWT: a client renews its token when it is refused."""


class Revocation:
    """Middleware that ends requests and their sessions once their credential is no longer valid.

    Each replica checks its own view of the keys file, so all replicas that share the file act within `CHECK_S`.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: CallerVerifier,
        sessions: Sessions,
        *,
        check_s: float = CHECK_S,
        renewal_s: float = RENEWAL_S,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._sessions = sessions
        self._check_s = check_s
        self._renewal_s = renewal_s
        self._in_progress: dict[anyio.CancelScope, Scope] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request until it is answered, or until its credential is no longer valid."""
        started = False

        async def tracking_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        with anyio.CancelScope() as serving:
            self._in_progress[serving] = scope
            try:
                await self._app(scope, receive, tracking_send)
            finally:
                del self._in_progress[serving]
        if serving.cancelled_caught:
            await _end(send, started=started)

    async def watch(self) -> None:
        """Check the credentials in use until cancelled."""
        while True:
            await anyio.sleep(self._check_s)
            await self._sessions.close(lambda scope: not self._is_valid(scope, self._renewal_s))
            for serving, scope in list(self._in_progress.items()):
                if not self._is_valid(scope, 0 if _is_stream(scope) else self._renewal_s):
                    serving.cancel()

    def _is_valid(self, scope: Scope, renewal_s: float) -> bool:
        return self._verifier.is_valid(scope["user"].access_token, renewal_s=renewal_s)


def _is_stream(scope: Scope) -> bool:
    """Return True for a request that is open until its client leaves: a session's stream, or a subscription."""
    return scope["method"] == "GET" or message_of(scope).get("method") == "subscriptions/listen"


async def _end(send: Send, *, started: bool) -> None:
    """End an interrupted response."""
    if not started:
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
