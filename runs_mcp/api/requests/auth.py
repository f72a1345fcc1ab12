"""Authentication: the JWT that requests carry, which is the secret or is exchanged for it."""

import hmac
import time
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import anyio

from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import AuthenticationError, CredentialError, RunsApiError
from runs_mcp.api.payloads import decode_json
from runs_mcp.api.requests.redaction import Redactor
from runs_mcp.api.requests.secret_source import SecretSource, find_flaw
from runs_mcp.config.api_settings import ApiSettings, AuthSettings

REFRESH_BEFORE_S = 60
SIGNATURE_CHARS = 32
"""Hex digits of a signature: 128 bits."""

ExchangeKey = Callable[[str], Awaitable[str]]
"""Exchanges an API key for a JWT."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Facts about a credential that do not reveal the credential. None: the token does not contain the fact."""

    issued_at: datetime | None = None
    expires_at: datetime | None = None
    account: str | None = None
    """Name or id of the account."""
    project: str | None = None
    """Name or id of the project."""
    permissions: tuple[str, ...] | None = None


class Tokens:
    """JWTs for requests: the secret, or the token it is exchanged for, renewed in time and once for all callers."""

    def __init__(
        self,
        settings: AuthSettings,
        exchange: ExchangeKey,
        *,
        redactor: Redactor,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.source = SecretSource(settings)
        self._kind = settings.kind
        self._exchange = exchange
        self._redactor = redactor
        self._now = now
        self._lock = anyio.Lock()
        self._token: str | None = None
        self._expires: float | None = None
        self._exchanged_secret: str | None = None

    async def current(self) -> str:
        """Return a JWT that stays valid for a minute at least.

        Raises:
            CredentialError: the secret is missing or malformed.
            RunsApiError: the exchange of the API key failed; `during_exchange` is set.
        """
        secret = await self._read()
        if (good := self._good(secret)) is not None:
            return good
        async with self._lock:
            return self._good(secret) or await self._renew(secret)

    async def renewed(self, refused: str) -> str:
        """Return another JWT than `refused`, which the API did not accept, or the same if there is no other.

        Raises:
            CredentialError: the secret is missing or malformed.
            RunsApiError: the exchange of the API key failed; `during_exchange` is set.
        """
        async with self._lock:
            # Another request may have renewed the token while this request waited for the lock.
            newer = self._good(await self._read())
            if newer is not None and newer != refused:
                return newer
            secret = await self._read(again=True)
            return secret if self._kind == "token" else await self._renew(secret)

    async def sign(self, text: str) -> str:
        """Return the HMAC-SHA256 of `text` by the configured secret, as its first 32 hex digits.

        Raises:
            CredentialError: the secret is missing or malformed.
        """
        secret = await self._read()
        return hmac.new(secret.encode(), f"runs-mcp\n{text}".encode(), "sha256").hexdigest()[:SIGNATURE_CHARS]

    async def describe(self) -> Credential:
        """Return the facts about the credential in use.

        Raises:
            CredentialError: the secret is missing or malformed.
            RunsApiError: the exchange of the API key failed.
        """
        claims = _claims(await self.current())
        permissions = claims.get("permissions")
        return Credential(
            issued_at=_moment(claims.get("iat")),
            expires_at=_moment(_expiry(claims)),
            account=_name(claims.get("account")),
            project=_name(claims.get("project")),
            permissions=tuple(map(str, permissions)) if isinstance(permissions, list) else None,
        )

    def _good(self, secret: str) -> str | None:
        """Return the token for `secret`, if there is one and it is not about to expire."""
        if self._kind == "token":
            return secret
        if self._token is None or secret != self._exchanged_secret:
            return None
        if self._expires is not None and self._expires - REFRESH_BEFORE_S <= self._now():
            return None
        return self._token

    async def _read(self, *, again: bool = False) -> str:
        secret = await self.source.read(again=again)
        self._redactor.add(secret)
        return secret

    async def _renew(self, secret: str) -> str:
        try:
            token = await self._exchange(secret)
        except RunsApiError as error:
            error.during_exchange = True
            raise
        if not token:
            raise AuthenticationError("The API key was exchanged for an empty token")
        if flaw := find_flaw(token):
            raise CredentialError(f"The token for the API key cannot be sent: {flaw}")
        self._redactor.add(token)
        self._token, self._expires, self._exchanged_secret = token, _expiry(_claims(token)), secret
        return token


def _claims(token: str) -> dict[str, object]:
    """Return the claims of a JWT, or none if `token` is not a JWT. The API checks the signature, not the client."""
    # Without PyJWT, whose import loads `cryptography`: 3 % of the instructions of a start.
    try:
        _, payload, _ = token.split(".")
        claims = decode_json(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _expiry(claims: Mapping[str, object]) -> float | None:
    expires = claims.get("exp")
    return expires if isinstance(expires, int | float) else None


def _moment(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (OverflowError, ValueError, OSError):
        return None


def _name(reference: object) -> str | None:
    return str(reference.get("name") or reference.get("id")) if isinstance(reference, dict) else None


def find_token_url(settings: ApiSettings, edition: Edition, base_url: str) -> str:
    """Return the URL that exchanges API keys: the configured URL, else the URL that the edition's own clients use.

    Raises:
        CredentialError: the URL is unknown; a key is never sent to a guess.
    """
    if settings.auth.token_url:
        return settings.auth.token_url
    parts = urlsplit(base_url)
    if edition.key_exchange == "get_with_query":
        root = parts.path.removesuffix("/api/v1")
        return urlunsplit((parts.scheme, parts.netloc, f"{root}/auth/token", "", ""))
    host = parts.hostname or ""
    if host.startswith("api") and host.endswith(".vertesia.io"):
        return f"https://sts{host.removeprefix('api')}/token/issue"
    raise CredentialError(f"api.auth.token_url: set it; the address where {host} exchanges API keys is unknown")
