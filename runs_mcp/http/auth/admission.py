"""Admission of requests: authentication, scopes and the profile of the caller."""

import logging
from collections.abc import Mapping
from typing import Any

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend
from mcp.server.auth.provider import AccessToken, TokenVerifier
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.config.settings import Config, ProfileSettings
from runs_mcp.http.auth.challenge import Challenge
from runs_mcp.http.auth.jwks import PAUSE_S
from runs_mcp.observability import logs
from runs_mcp.server.permissions.scopes import KEY, Caller

log = logging.getLogger(__name__)

NO_BEARER = "The Authorization header needs `Bearer ` before the key or JWT"


def require_authentication(app: ASGIApp, config: Config, verifier: TokenVerifier) -> ASGIApp:
    """Return `app` restricted to callers that `verifier` accepts; `caller_of` returns the caller of a request."""
    # The SDK binds sessions, and the state of questions, to the user that it finds in the context.
    admission = AuthContextMiddleware(Admission(app, config))
    return AuthenticationMiddleware(admission, backend=BearerAuthBackend(verifier), on_error=_unavailable)


class Admission:
    """Middleware that admits callers that may read runs and match a profile.

    A refusal names the missing scope or profile.
    """

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._config = config
        self._challenge = Challenge(config.server.http.auth)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse a request."""
        user = scope.get("user")
        if not isinstance(user, AuthenticatedUser):
            await self._unknown(scope)(scope, receive, send)
        elif refusal := self._refusal(user.access_token, scope):
            await refusal(scope, receive, send)
        else:
            with logs.Context(caller=scope[KEY].name):
                await self._app(scope, receive, send)

    def _refusal(self, token: AccessToken, scope: Scope) -> Response | None:
        """Return the refusal of a caller; None if it is admitted, with the caller stored in `scope`."""
        needed, held = self._challenge.needed, set(token.scopes)
        if not needed <= held:
            header = self._challenge.insufficient(needed, held)
            return _refuse(403, "insufficient_scope", f"Needed: {', '.join(sorted(needed))}", header)
        caller = identify_caller(token, self._config)
        if caller is None:
            log.info("a caller was refused: no profile matches %s", token.subject or token.client_id)
            # No challenge: a token with other scopes would not help.
            description = "No profile of this server matches this caller; its operator can add a profile"
            return _refuse(403, "access_denied", description)
        scope[KEY] = caller
        return None

    def _unknown(self, scope: Scope) -> Response:
        credential = HTTPConnection(scope).headers.get("authorization")
        if credential is None:
            return _refuse(401, "unauthorized", "Authentication is required", self._challenge.missing())
        if not credential.lower().startswith("bearer "):
            log.info("a caller was refused: the Authorization header does not begin with Bearer")
            return _refuse(401, "unauthorized", NO_BEARER, self._challenge.missing())
        # The reason is in the log alone: an attacker must not learn which part of a token is wrong.
        description = "The token is expired, revoked, or was not issued for this server"
        return _refuse(401, "invalid_token", description, self._challenge.invalid(description))


def identify_caller(token: AccessToken, config: Config) -> Caller | None:
    """Return the caller with its profile; None if no profile matches and the settings require a profile."""
    name = token.subject or token.client_id
    profile = _profile_of(name, token.claims or {}, config.profiles)
    if profile is None and not config.serves_unmatched_callers:
        return None
    limit = config.profiles[profile].rate_limit if profile else None
    return Caller(name, frozenset(token.scopes), profile, limit)


def _profile_of(name: str, claims: Mapping[str, Any], profiles: Mapping[str, ProfileSettings]) -> str | None:
    """Return the profile that lists the caller, else the first profile whose claims are all in the token."""
    named = (profile for profile, settings in profiles.items() if name in settings.callers)
    claimed = (
        profile
        for profile, settings in profiles.items()
        if settings.claims and all(_holds(claims.get(claim), value) for claim, value in settings.claims.items())
    )
    # Names first: each belongs to one profile only, whereas the claims of several profiles can match a token.
    return next(named, None) or next(claimed, None)


def _holds(claim: Any, value: str) -> bool:
    return value in claim if isinstance(claim, list) else claim == value


def _refuse(status: int, error: str, description: str, challenge: str | None = None) -> Response:
    headers = {"WWW-Authenticate": challenge} if challenge else None
    return JSONResponse({"error": error, "error_description": description}, status, headers=headers)


def _unavailable(_: HTTPConnection, error: Exception) -> Response:
    # 503, not 401: a client that receives a 401 throws its valid token away.
    body = {"error": "temporarily_unavailable", "error_description": str(error)}
    return JSONResponse(body, 503, headers={"Retry-After": str(PAUSE_S)})
