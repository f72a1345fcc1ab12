"""Verifiers of the credentials of callers: keys and JWTs."""

import logging
import math
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import jwt
from mcp.server.auth.provider import AccessToken, TokenVerifier
from starlette.authentication import AuthenticationError
from typing_extensions import override

from runs_mcp.config.http_settings import BearerAuthSettings, JwtAuthSettings
from runs_mcp.http.auth import keys
from runs_mcp.http.auth.jwks import KeysAtUrl, KeysInFile, KeysUnavailableError, SigningKeys
from runs_mcp.http.auth.reloaded_file import ReloadedFile
from runs_mcp.observability.mask import MASK

log = logging.getLogger(__name__)


class CallerVerifier(TokenVerifier, Protocol):
    """A verifier of credentials, used when a request arrives, and again while requests or sessions are open."""

    def is_valid(self, token: AccessToken, *, renewal_s: float = 0) -> bool:
        """Return True while the credential behind `token` admits its caller.

        A JWT counts as valid for another `renewal_s` seconds after it has expired.
        """
        ...


def build_verifier(auth: BearerAuthSettings | JwtAuthSettings) -> CallerVerifier:
    """Return the verifier of callers that `auth` selects.

    Raises:
        ConfigError: the file with the keys cannot be used.
    """
    if isinstance(auth, BearerAuthSettings):
        return KeyVerifier(auth)
    return JwtVerifier(auth, KeysInFile(auth.jwks_file) if auth.jwks_file else KeysAtUrl(str(auth.jwks_url)))


KEY_CLAIM = "runs_mcp.key"
"""Claim with the hash of the caller's key."""


class KeyVerifier(CallerVerifier):
    """A verifier of keys."""

    def __init__(self, settings: BearerAuthSettings) -> None:
        self._keys = ReloadedFile[Mapping[str, keys.Key]](settings.keys_file, keys.by_hash, empty={})

    @override
    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the caller with the key `token`; None if the key is unknown or has expired."""
        # Keys are looked up by hash, so the lookup reveals nothing about a key by its duration.
        key_hash = keys.hashed(token)
        key = self.find(key_hash)
        if key is None:
            return None
        return AccessToken(token=MASK, client_id=key.name, scopes=list(key.scopes), claims={KEY_CLAIM: key_hash})

    @override
    def is_valid(self, token: AccessToken, *, renewal_s: float = 0) -> bool:
        """Return True while the file has the key, and the key has not expired."""
        return self.find(str((token.claims or {}).get(KEY_CLAIM))) is not None

    def find(self, key_hash: str) -> keys.Key | None:
        """Return the key with this hash; None if it is unknown or has expired."""
        key = self._keys.current().get(key_hash)
        if key is None:
            log.info("a caller was refused: the key is unknown")
        elif not key.is_valid(datetime.now(UTC)):
            log.info("a caller was refused: the key of %s has expired", key.name)
            return None
        return key


class JwtVerifier(CallerVerifier):
    """A verifier of JWTs that the issuer signed for this endpoint."""

    def __init__(self, settings: JwtAuthSettings, signing_keys: SigningKeys) -> None:
        self._settings = settings
        self._keys = signing_keys

    @override
    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the caller of a JWT; None if the token is invalid.

        Raises:
            AuthenticationError: the token cannot be verified, because the issuer's keys are unavailable.
        """
        try:
            claims = await self._claims(token)
        except jwt.PyJWTError as error:
            log.info("a caller was refused: %s", error)
            return None
        except KeysUnavailableError:
            raise AuthenticationError("The issuer's keys cannot be fetched") from None
        return AccessToken(
            # The token itself is dropped: MCP forbids passing it through to the API ("Access Token Privilege
            # Restriction"), and later layers cannot leak it.
            token=MASK,
            client_id=str(claims.get("client_id") or claims.get("azp") or claims["sub"]),
            scopes=[*_scopes(claims), *self._settings.granted_scopes],
            expires_at=int(claims["exp"]) + math.ceil(self._settings.leeway_s),
            subject=claims["sub"],
            claims=claims,
        )

    @override
    def is_valid(self, token: AccessToken, *, renewal_s: float = 0) -> bool:
        """Return True until the token expires, `leeway_s` included."""
        return token.expires_at is None or time.time() < token.expires_at + renewal_s

    async def _claims(self, token: str) -> dict[str, Any]:
        # Only `kid` is taken from the unverified header. `alg` must be one of the configured algorithms (RFC 8725,
        # section 3.1), and `jku` and `x5u` are ignored, since they name the sender's own keys (section 3.10).
        kid = jwt.get_unverified_header(token).get("kid")
        key = await self._keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise jwt.InvalidKeyError("the token's kid is none of the issuer's keys")
        settings = self._settings
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=settings.algorithms,
            # RFC 8707 and RFC 8725, section 3.9: a token for another resource of the same issuer is not accepted.
            audience=settings.audience or settings.resource_url,
            issuer=settings.issuer,
            leeway=settings.leeway_s,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return claims


def _scopes(claims: Mapping[str, Any]) -> Iterable[str]:
    """Return the scopes of a token: a string or a list, in `scope` (RFC 9068) or `scp` (Microsoft, Okta)."""
    match claims.get("scope", claims.get("scp")):
        case str(text):
            return text.split()
        case list(scopes):
            return [scope for scope in scopes if isinstance(scope, str)]
        case _:
            return ()
