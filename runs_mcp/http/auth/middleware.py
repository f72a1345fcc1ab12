"""Admission: which requests reach the endpoint, by whose settings, and what the others are told."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend
from mcp.server.auth.provider import AccessToken
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.config.http_settings import BearerAuthSettings, JwtAuthSettings
from runs_mcp.config.settings import Config, ProfileSettings
from runs_mcp.http.auth.jwks import PAUSE_S
from runs_mcp.http.auth.metadata import metadata_url
from runs_mcp.http.auth.verifiers import verifier
from runs_mcp.server.scopes import CREATE, KEY, READ, Caller

log = logging.getLogger(__name__)


def guarded(app: ASGIApp, config: Config) -> ASGIApp:
    """`app`, for callers alone whom `server.http.auth` lets in; they are in the scope (`callers.caller_of`).

    Raises:
        ConfigError: a file that says who they are cannot be used.
    """
    auth = config.server.http.auth
    match auth:
        case BearerAuthSettings() | JwtAuthSettings():
            backend = BearerAuthBackend(verifier(auth))
            # The SDK binds sessions and the state of questions to the user that it finds in the context.
            admission = AuthContextMiddleware(Admission(app, config))
            return AuthenticationMiddleware(admission, backend=backend, on_error=_cannot_tell)
        case _:
            return app


class Admission:
    """Lets in callers who may read runs and have settings to be served by, and tells others what they lack."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        auth = config.server.http.auth
        self._app = app
        self._config = config
        self._needed: set[str] = {READ}
        self._metadata = {}
        if isinstance(auth, JwtAuthSettings):
            self._needed |= set(auth.required_scopes)
            self._metadata = {"resource_metadata": metadata_url(auth)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        user = scope.get("user")
        answer = self._admit(user.access_token, scope) if isinstance(user, AuthenticatedUser) else self._unknown(scope)
        await (answer or self._app)(scope, receive, send)

    def _admit(self, token: AccessToken, scope: Scope) -> Response | None:
        """Nothing where the caller was let in, and is in the scope; else the refusal."""
        if not self._needed <= set(token.scopes):
            return self._insufficient(token.scopes)
        caller = caller_by(token, self._config)
        if caller is None:
            log.info("a caller was refused: no profile names %s", token.subject or token.client_id)
            description = "No profile of this server names this caller; its operator can add one"
            return JSONResponse({"error": "access_denied", "error_description": description}, 403)
        scope[KEY] = caller
        return None

    def _unknown(self, scope: Scope) -> Response:
        wanted = {"scope": " ".join(sorted({*self._needed, CREATE}))}
        if "authorization" not in HTTPConnection(scope).headers:
            return self._refusal(401, "", "Authentication is required", wanted)  # no error, by RFC 6750
        description = "The token is expired, revoked, or was not made for this server"
        return self._refusal(401, "invalid_token", description, wanted)

    def _insufficient(self, had: Iterable[str]) -> Response:
        # What the caller has is named as well, so that asking for the rest does not lose it.
        wanted = {"scope": " ".join(sorted({*self._needed, *({CREATE} & set(had))}))}
        return self._refusal(403, "insufficient_scope", f"Needed: {', '.join(sorted(self._needed))}", wanted)

    def _refusal(self, status: int, error: str, description: str, wanted: Mapping[str, str]) -> Response:
        said = {"error": error, "error_description": description} if error else {}
        challenge = ", ".join(f'{name}="{value}"' for name, value in {**said, **wanted, **self._metadata}.items())
        body = {"error": error or "unauthorized", "error_description": description}
        return JSONResponse(body, status, headers={"WWW-Authenticate": f"Bearer {challenge}"})


def caller_by(token: AccessToken, config: Config) -> Caller | None:
    """Whoever was verified, with the profile that names them; None where one has to and none does."""
    name = token.subject or token.client_id
    profile = _profile_of(name, token.claims or {}, config.profiles)
    if profile is None and not config.serves_the_unnamed:
        return None
    limit = config.profiles[profile].rate_limit if profile else None
    return Caller(name, frozenset(token.scopes), profile, limit)


def _profile_of(name: str, claims: Mapping[str, Any], profiles: Mapping[str, ProfileSettings]) -> str | None:
    """The profile that has the caller's name; else the first whose claims are all in their token."""
    named = (profile for profile, one in profiles.items() if name in one.callers)
    claimed = (
        profile
        for profile, one in profiles.items()
        if one.claims and all(_holds(claims.get(claim), value) for claim, value in one.claims.items())
    )
    return next(named, None) or next(claimed, None)


def _holds(claim: Any, value: str) -> bool:
    return value in claim if isinstance(claim, list) else claim == value


def _cannot_tell(_: HTTPConnection, error: Exception) -> Response:
    body = {"error": "temporarily_unavailable", "error_description": str(error)}
    return JSONResponse(body, 503, headers={"Retry-After": str(PAUSE_S)})
