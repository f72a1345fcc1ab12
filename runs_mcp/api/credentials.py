"""The credential: where the secret comes from, and the JWT it stands for."""

import logging
import os
import shlex
import stat
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError

import anyio
import jwt
from pydantic import SecretStr

from runs_mcp.api.errors import AuthenticationError, CredentialError
from runs_mcp.config.api_settings import AuthSettings

log = logging.getLogger(__name__)

REFRESH_BEFORE_S = 60
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
COMMAND_TIMEOUT_S = 30

Exchange = Callable[[str], Awaitable[str]]
"""Turns an API key into a JWT."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What can be told of a credential without showing it."""

    issued_at: datetime | None = None
    expires_at: datetime | None = None
    account: str | None = None
    project: str | None = None
    permissions: tuple[str, ...] | None = None
    """What it may do, where its token says so."""


class SecretSource:
    """Reads the secret from the one place the settings name."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._file_state: tuple[int, int, int] | None = None
        self._secret: str | None = None
        self._checked_last: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """Which setting names the source, and what it names."""
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
        """See that there is a secret, as far as that can be seen without running a command.

        Raises:
            CredentialError: there is none.
        """
        if self._settings.command is None:
            self._read_here()
        elif not self._settings.command.strip():
            raise CredentialError(f"{self.name}: the command is empty")

    async def read(self, *, again: bool = False) -> str:
        """The secret; a file is read when it changed, a command is run once, and anew when `again`.

        Raises:
            CredentialError: there is none.
        """
        if self._settings.command is None:
            return self._read_here()
        if self._secret is None or again:
            self._secret = self._checked(await self._run(self._settings.command))
        return self._secret

    def _read_here(self) -> str:
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
                self._secret, self._file_state = self._checked(file.read_text(encoding="utf-8")), state
                if open_to_others(file):
                    log.warning("%s: other users of this machine can read it; chmod 600 closes it", self.name)
        except OSError as error:
            raise CredentialError(f"{self.name}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CredentialError(f"{self.name}: is not text") from None
        return self._secret

    async def _run(self, command: str) -> str:
        try:
            with anyio.fail_after(COMMAND_TIMEOUT_S):
                finished = await anyio.run_process(shlex.split(command), stdin=DEVNULL, stderr=DEVNULL)
        except CalledProcessError as error:
            raise CredentialError(f"{self.name}: the command failed with exit code {error.returncode}") from None
        except (OSError, ValueError) as error:
            raise CredentialError(f"{self.name}: the command cannot be run: {type(error).__name__}") from None
        except TimeoutError:
            raise CredentialError(f"{self.name}: the command took over {COMMAND_TIMEOUT_S} s") from None
        return finished.stdout.decode(errors="replace")

    def _checked(self, secret: str) -> str:
        # The same secret is read for every request, and looking at each of its characters takes a while.
        if self._checked_last and self._checked_last[0] == secret:
            return self._checked_last[1]
        if not (stripped := secret.strip()):
            raise CredentialError(f"{self.name}: the secret is empty")
        if not stripped.isascii() or any(character.isspace() for character in stripped):
            raise CredentialError(f"{self.name}: the secret holds a space or something that is not ASCII")
        self._checked_last = secret, stripped
        return stripped


def open_to_others(file: Path) -> bool:
    """Whether other users of this machine may read or write a file; on Windows its mode does not tell.

    Raises:
        OSError: the file cannot be looked at.
    """
    return sys.platform != "win32" and bool(file.stat().st_mode & OPEN_TO_OTHERS)


class Tokens:
    """JWTs for requests: the secret itself, or what it is exchanged for, renewed in time and once for many."""

    def __init__(
        self,
        settings: AuthSettings,
        exchange: Exchange,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.source = SecretSource(settings)
        self._kind = settings.kind
        self._exchange = exchange
        self._now = now
        self._lock = anyio.Lock()
        self._token: str | None = None
        self._expires: float | None = None
        self._exchanged_secret: str | None = None

    async def current(self) -> str:
        """A JWT that is good for a while.

        Raises:
            CredentialError, AuthenticationError: there is none to be had.
        """
        secret = await self.source.read()
        if self._kind == "token":
            return secret
        if (good := self._good(secret)) is not None:
            return good
        async with self._lock:
            return self._good(secret) or await self._renew(secret)

    async def renewed(self, refused: str) -> str:
        """Another JWT than `refused`, which the API did not accept; the same one if there is no other.

        Raises:
            CredentialError, AuthenticationError: there is none to be had.
        """
        async with self._lock:
            secret = await self.source.read(again=True)
            if self._kind == "token":
                return secret
            newer = self._token if self._token != refused else None
            return newer or await self._renew(secret)

    async def describe(self) -> Credential:
        """What can be told of the credential in use.

        Raises:
            CredentialError, AuthenticationError: there is none to be had.
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
        """The token at hand, if it is this secret's and not about to expire."""
        if self._token is None or secret != self._exchanged_secret:
            return None
        if self._expires is not None and self._expires - REFRESH_BEFORE_S <= self._now():
            return None
        return self._token

    async def _renew(self, secret: str) -> str:
        token = await self._exchange(secret)
        if not token:
            raise AuthenticationError("The API key was exchanged for nothing")
        self._token, self._expires, self._exchanged_secret = token, _expiry(_claims(token)), secret
        return token


def _claims(token: str) -> dict[str, object]:
    """What a JWT says; nothing, if it is none. Its signature is the API's to check."""
    try:
        claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims


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
