"""Keys of callers: shown once, when they are created, and stored as hashes in a file."""

import hashlib
import logging
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from runs_mcp import files
from runs_mcp.config.http_settings import Scope
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.validation_messages import plain_message

log = logging.getLogger(__name__)

PREFIX = "rmk_"  # lets `mask` and secret scanners recognise keys
RANDOM_BYTES = 32


class Key(BaseModel):
    """A key as stored in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[\w.@+-]{1,100}$")]
    sha256: str
    """SHA-256 of the key. A slow password hash is not needed, because 256 random bits cannot be guessed."""
    scopes: tuple[Scope, ...]
    created: AwareDatetime
    expires: AwareDatetime | None = None

    @property
    def description(self) -> str:
        """A description of the key on one line."""
        until = f", until {self.expires:%Y-%m-%d %H:%M} UTC" if self.expires else ""
        return f"{self.name}: {' '.join(self.scopes)}, since {self.created:%Y-%m-%d %H:%M} UTC{until}"

    def is_valid(self, now: datetime) -> bool:
        """Return true if the key has not expired."""
        return self.expires is None or now < self.expires


class _KeysFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[Key, ...] = ()


def read(file: Path) -> Sequence[Key]:
    """Return the keys in `file`.

    Raises:
        ConfigError: the file cannot be read, or is not a file of keys.
    """
    try:
        return _KeysFile.model_validate_json(file.read_bytes()).keys
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; `runs-mcp keys add` creates it.") from None
    except ValidationError as error:
        raise ConfigError(f"{file} is not a file of `runs-mcp keys`: {plain_message(error.errors()[0])}.") from None


def by_hash(file: Path) -> Mapping[str, Key]:
    """Return the keys in `file` by their hashes.

    Raises:
        ConfigError: see `read`.
    """
    return {key.sha256: key for key in read(file)}


def hashed(secret: str) -> str:
    """Return the hash under which the file stores `secret`."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add(
    file: Path,
    name: str,
    scopes: Iterable[Scope] | None = None,
    *,
    days: int | None = None,
    overlap_hours: int | None = None,
) -> str:
    """Create a key for `name`, valid for `days` or until it is removed, and return it; it is never shown again.

    Without `scopes` the key gets the scopes of the newest valid key of `name`, else `runs:read`. Valid keys of `name`
    stay valid for `overlap_hours`; expired keys are removed from the file.

    Raises:
        ConfigError: `name` has a key and `overlap_hours` is None, `name` is invalid, or the file cannot be used.
    """
    file = file.resolve()
    with _locked(file):
        now = datetime.now(UTC)
        keys = [key for key in _read_if_exists(file) if key.is_valid(now)]
        existing = [key for key in keys if key.name == name]
        if overlap_hours is None and existing:
            raise ConfigError(f"{name} already has a key. Remove it first, or keep both valid for a while: --overlap.")
        secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        inherited: Iterable[Scope] = existing[-1].scopes if existing else ["runs:read"]
        key = _key(name, secret, inherited if scopes is None else scopes, now, days)
        until = now + timedelta(hours=overlap_hours or 0)
        _write(file, [*(_expire(old, until) if old.name == name else old for old in keys), key])
    return secret


def _key(name: str, secret: str, scopes: Iterable[Scope], now: datetime, days: int | None) -> Key:
    expires = now + timedelta(days=days) if days else None
    try:
        return Key(name=name, sha256=hashed(secret), scopes=tuple(sorted(set(scopes))), created=now, expires=expires)
    except ValidationError:
        raise ConfigError(f"{name!r} is not a valid name for a key: use letters, digits and . _ @ + -.") from None


def remove(file: Path, name: str) -> None:
    """Remove every key of `name`.

    Raises:
        ConfigError: `name` has no key, or the file cannot be used.
    """
    file = file.resolve()
    with _locked(file):
        keys = read(file)
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            raise ConfigError(f"{file} has no key of {name!r}.")
        _write(file, kept)


def _read_if_exists(file: Path) -> Sequence[Key]:
    return read(file) if file.exists() else ()


def _expire(key: Key, until: datetime) -> Key:
    return key.model_copy(update={"expires": min(key.expires, until) if key.expires else until})


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Lock `file` against changes by other processes for the duration of the block."""
    # The lock is on the folder, because the file itself is replaced. Windows cannot lock folders.
    if sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 - does not exist on Windows

    try:
        folder = os.open(file.parent, os.O_RDONLY)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(file: Path, keys: Iterable[Key]) -> None:
    """Replace the file. Owner, group and mode are kept."""
    text = _KeysFile(keys=tuple(keys)).model_dump_json(indent=2)
    try:
        files.replace(file, text + "\n", partial(_take_owner_and_mode, file))
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None


def _take_owner_and_mode(file: Path, replacement: int) -> None:
    """Give `replacement`, a descriptor, the owner, the group and the mode of `file`.

    A new file is readable only by the owner of its folder. A file written by root would otherwise be unreadable for the
    service and lock out all callers. A descriptor, since the owner of the folder could replace the file by a link.

    Raises:
        ConfigError: the file belongs to another user or group, and the current user may not change that.
    """
    if sys.platform == "win32":
        return
    exists, user, own_group = file.exists(), os.geteuid(), os.fstat(replacement).st_gid
    target = file.stat() if exists else file.parent.stat()
    owner = target.st_uid if exists or user == 0 else user
    group_matters = owner != user or (exists and target.st_mode & stat.S_IRWXG)
    group = target.st_gid if group_matters else own_group
    if owner != user:
        log.warning("%s belongs to user %d and stays so; this is user %d", file, owner, user)
    if owner != user or group != own_group:
        try:
            os.fchown(replacement, owner, group)
        except PermissionError:
            reason = f"{file} belongs to user {owner} and group {group}. Run this command as that user, or as root."
            raise ConfigError(reason) from None
    if exists:
        os.fchmod(replacement, stat.S_IMODE(target.st_mode))
