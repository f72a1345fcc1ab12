"""Authentication: the secret of the settings, and the JWT that requests carry."""

import codecs
import hmac
import logging
import os
import re
import shlex
import stat
import sys
import time
import unicodedata
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError
from urllib.parse import urlsplit, urlunsplit

import anyio
from pydantic import SecretStr

from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import AuthenticationError, CredentialError, RunsApiError
from runs_mcp.api.payloads import decode_json
from runs_mcp.api.requests.redaction import Redactor
from runs_mcp.config.api_settings import ApiSettings, AuthSettings

log = logging.getLogger(__name__)

REFRESH_BEFORE_S = 60
COMMAND_TIMEOUT_S = 30
SIGNATURE_CHARS = 32
"""Hex digits of a signature: 128 bits."""
QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}
_UNEXPANDED = re.compile(r"\$\{[A-Za-z_]\w*(:-)?\}|\$[A-Z_][A-Z0-9_]*|%[A-Z_][A-Z0-9_]*%|\$\{\{[^{}]*\}\}|\$\([^()]*\)")

ExchangeKey = Callable[[str], Awaitable[str]]
"""Exchanges an API key for a JWT."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Facts about a credential that do not reveal it. None: its token does not tell."""

    issued_at: datetime | None = None
    expires_at: datetime | None = None
    account: str | None = None
    """Name or id of the account."""
    project: str | None = None
    """Name or id of the project."""
    permissions: tuple[str, ...] | None = None


class SecretSource:
    """Reads the secret from the one place the settings name."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._file_state: tuple[int, int, int] | None = None
        self._secret: str | None = None
        self._checked_last: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """Setting that names the source, with its value unless that is the secret."""
        match self._settings:
            case AuthSettings(env=str(variable)):
                return f"api.auth.env ({variable})"
            case AuthSettings(file=Path() as file):
                return f"api.auth.file ({file})"
            case AuthSettings(command=str(command)):
                return f"api.auth.command ({shlex.split(command)[0] if command.strip() else ''})"
            case _:
                return "api.auth.value"

    def check(self) -> None:
        """Read the secret, unless a command would have to run.

        Raises:
            CredentialError: the secret is missing or malformed.
        """
        if self._settings.command is None:
            self._read_in_process()
        elif not self._settings.command.strip():
            raise CredentialError(f"{self.name}: the command is empty")

    async def read(self, *, again: bool = False) -> str:
        """Return the secret. A file is read when it changed; a command runs once, and once more if `again`.

        Raises:
            CredentialError: the secret is missing or malformed.
        """
        if self._settings.command is None:
            return self._read_in_process()
        if self._secret is None or again:
            self._secret = self._checked(await self._run(self._settings.command))
        return self._secret

    def _read_in_process(self) -> str:
        match self._settings:
            case AuthSettings(env=str(variable)):
                if variable not in os.environ:
                    raise CredentialError(f"{self.name}: this environment variable is not set")
                return self._checked(os.environ[variable])
            case AuthSettings(file=Path() as file):
                return self._read_file(file)
            case AuthSettings(value=SecretStr() as value):
                return self._checked(value.get_secret_value())
            case _:
                raise CredentialError(f"{self.name}: there is no secret")

    def _read_file(self, file: Path) -> str:
        try:
            status = file.stat()
            state = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._secret is None or state != self._file_state:
                self._secret, self._file_state = self._checked(self._decoded(file.read_bytes())), state
                if open_to_others(file):
                    log.warning("%s: other users of this machine can read it; restrict it with chmod 600", self.name)
        except OSError as error:
            raise CredentialError(f"{self.name}: cannot be read: {error.strerror}") from None
        return self._secret

    def _decoded(self, content: bytes) -> str:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
            raise CredentialError(f"{self.name}: is encoded as UTF-16; save it as UTF-8")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise CredentialError(f"{self.name}: is not text in UTF-8") from None

    async def _run(self, command: str) -> str:
        try:
            with anyio.fail_after(COMMAND_TIMEOUT_S):
                finished = await anyio.run_process(shlex.split(command), stdin=DEVNULL, stderr=DEVNULL)
        except CalledProcessError as error:
            raise CredentialError(f"{self.name}: the command failed with exit code {error.returncode}") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise CredentialError(f"{self.name}: the command cannot be run: {reason}") from None
        except TimeoutError:
            raise CredentialError(f"{self.name}: the command took over {COMMAND_TIMEOUT_S} s") from None
        return self._decoded(finished.stdout)

    def _checked(self, secret: str) -> str:
        # Every request reads the secret, and checking each of its characters again would be a waste of time.
        if self._checked_last and self._checked_last[0] == secret:
            return self._checked_last[1]
        stripped = secret.strip()
        if flaw := find_flaw(stripped):
            raise CredentialError(f"{self.name}: {flaw}")
        self._checked_last = secret, stripped
        return stripped


def find_flaw(secret: str) -> str | None:
    """Return the reason why no header can hold `secret`, or why it is not the secret itself; None if it looks right."""
    if not secret:
        return "the secret is empty"
    if secret[0] == "\ufeff":
        return "the secret begins with a byte order mark (U+FEFF); remove it"
    if len(secret) > 1 and QUOTES.get(secret[0]) == secret[-1]:
        return f"the secret is wrapped in quotes ({secret[0]}); remove them"
    if _UNEXPANDED.fullmatch(secret):
        return f"the secret is {secret}, a variable that was not expanded"
    if secret[:7].lower() == "bearer ":
        return "the secret begins with `Bearer `; give the token alone"
    return next((_flaw_of(character) for character in secret if not "!" <= character <= "~"), None)


def _flaw_of(character: str) -> str:
    code = f"U+{ord(character):04X}"
    if character in "\r\n":
        return "the secret holds a line break"
    if character == " ":
        return "the secret holds a space"
    if character == "\0":
        return "the secret holds a NUL character (U+0000), as UTF-16 does; save it as UTF-8"
    if unicodedata.category(character) == "Cc":
        return f"the secret holds a control character ({code})"
    return f"the secret holds a character that is not ASCII ({code} {unicodedata.name(character, 'unnamed')})"


def open_to_others(file: Path) -> bool:
    """Return whether other users of this machine may read or write a file; always False on Windows.

    Raises:
        OSError: the file cannot be examined.
    """
    if sys.platform == "win32":
        return False
    status = file.stat()
    # A file of another user is readable only through its group, as the secrets that Kubernetes mounts are.
    others = stat.S_IRWXO | (stat.S_IRWXG if status.st_uid == os.geteuid() else 0)
    return bool(status.st_mode & others)


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
        if self._kind == "token":
            return secret
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
            secret = await self._read(again=True)
            if self._kind == "token":
                return secret
            # Another request may have renewed the token while this request waited for the lock.
            newer = self._token if self._token != refused else None
            return newer or await self._renew(secret)

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
        """Return the current token, if it belongs to `secret` and is not about to expire."""
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
