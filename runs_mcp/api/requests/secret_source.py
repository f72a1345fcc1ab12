"""The secret of the settings, from the one place that they name."""

import codecs
import logging
import os
import re
import shlex
import stat
import sys
import unicodedata
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError

import anyio
from pydantic import SecretStr

from runs_mcp import files
from runs_mcp.api.errors import CredentialError
from runs_mcp.config.api_settings import AuthSettings

log = logging.getLogger(__name__)

COMMAND_TIMEOUT_S = 30
QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}
_UNEXPANDED = re.compile(r"\$\{[A-Za-z_]\w*(:-)?\}|\$[A-Z_][A-Z0-9_]*|%[A-Z_][A-Z0-9_]*%|\$\{\{[^{}]*\}\}|\$\([^()]*\)")


class SecretSource:
    """Reads the secret from the one place the settings name."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._file_state: tuple[int, int, int] | None = None
        self._secret: str | None = None
        self._running = anyio.Lock()
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
        """Return the secret. A file is read when it changed; a command runs once for all callers, and again if `again`.

        Raises:
            CredentialError: the secret is missing or malformed.
        """
        if self._settings.command is None:
            return self._read_in_process()
        if self._secret is not None and not again:
            return self._secret
        async with self._running:
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
            state = files.state(file)
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
    """Return the reason why no header can hold `secret`, or why it is not the secret itself; None without a flaw."""
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
