"""Revocation: requests and sessions end within seconds after their key is removed or expires."""

from collections import defaultdict

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.http.auth.verifiers import KEY_CLAIM, KeyVerifier
from runs_mcp.http.sessions import Sessions

CHECK_S = 1.0
"""Seconds between two checks of the keys in use."""


class Revocation:
    """Forwards requests, and ends them and their sessions once their key is no longer valid.

    Each replica checks its own view of the keys file, so all replicas that share the file act within `CHECK_S`.
    """

    def __init__(self, app: ASGIApp, verifier: KeyVerifier, sessions: Sessions, *, check_s: float = CHECK_S) -> None:
        self._app = app
        self._verifier = verifier
        self._sessions = sessions
        self._check_s = check_s
        self._in_progress: defaultdict[str, set[anyio.CancelScope]] = defaultdict(set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request until it is answered, or until its key is revoked."""
        key = _key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        with anyio.CancelScope() as serving:
            self._in_progress[key].add(serving)
            try:
                await self._app(scope, receive, noted)
            finally:
                self._in_progress[key].discard(serving)
                if not self._in_progress[key]:
                    del self._in_progress[key]
        if serving.cancelled_caught:
            await _end(send, started=started)

    async def watch(self) -> None:
        """Check the keys in use until cancelled."""
        while True:
            await anyio.sleep(self._check_s)
            await self._sessions.close(lambda scope: not self._is_valid(_key_of(scope)))
            for key in [key for key in self._in_progress if not self._is_valid(key)]:
                for serving in self._in_progress[key]:
                    serving.cancel()

    def _is_valid(self, key: str | None) -> bool:
        return key is None or self._verifier.find(key) is not None


def _key_of(scope: Scope) -> str | None:
    user = scope.get("user")
    claims = user.access_token.claims if isinstance(user, AuthenticatedUser) else None
    return claims.get(KEY_CLAIM) if claims else None


async def _end(send: Send, *, started: bool) -> None:
    """End an interrupted response."""
    if not started:
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
