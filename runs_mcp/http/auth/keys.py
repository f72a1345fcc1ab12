"""Keys of callers: made here, shown once, and kept as hashes in a file."""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from runs_mcp.config.http_settings import Scope
from runs_mcp.config.problems import ConfigError

PREFIX = "rmk_"
RANDOM_BYTES = 32


class Key(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[\w.@+-]{1,100}$")]
    sha256: str
    """A fast hash will do: 256 random bits cannot be guessed, however many are tried in a second."""
    scopes: tuple[Scope, ...]
    created: AwareDatetime
    expires: AwareDatetime | None = None

    @property
    def description(self) -> str:
        """On one line, for a person."""
        until = f", until {self.expires:%Y-%m-%d %H:%M} UTC" if self.expires else ""
        return f"{self.name}: {' '.join(self.scopes)}, since {self.created:%Y-%m-%d %H:%M} UTC{until}"

    def is_good(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires


class _KeysFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[Key, ...] = ()


def read(file: Path) -> Sequence[Key]:
    """The keys in `file`.

    Raises:
        ConfigError: it cannot be read, or is no file of keys.
    """
    try:
        return _KeysFile.model_validate_json(file.read_bytes()).keys
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; `runs-mcp keys add` makes it.") from None
    except ValidationError as error:
        raise ConfigError(f"{file} holds no keys as `runs-mcp keys` writes them: {error.errors()[0]['msg']}.") from None


def by_hash(file: Path) -> Mapping[str, Key]:
    """The keys in `file`, by what a presented key is found by.

    Raises:
        ConfigError: as `read`.
    """
    return {key.sha256: key for key in read(file)}


def hashed(secret: str) -> str:
    """What is kept of `secret`."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add(
    file: Path, name: str, scopes: Iterable[Scope], *, days: int | None = None, overlap_hours: int | None = None
) -> str:
    """Make a key for `name`, good for `days` or for good; it is returned, and never shown again.

    A key that `name` has already goes on to work for `overlap_hours`.

    Raises:
        ConfigError: `name` has a key and no overlap is asked for, is no name, or the file cannot be used.
    """
    now = datetime.now(UTC)
    keys = [key for key in _read_if_there(file) if key.is_good(now)]
    if overlap_hours is None and any(key.name == name for key in keys):
        raise ConfigError(f"{name} has a key already. Remove it first, or let both work for a while by --overlap.")
    until = now + timedelta(hours=overlap_hours or 0)
    secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    expires = now + timedelta(days=days) if days else None
    try:
        made = Key(name=name, sha256=hashed(secret), scopes=tuple(sorted(set(scopes))), created=now, expires=expires)
    except ValidationError:
        raise ConfigError(f"{name!r} is no name for a key: letters, digits and . _ @ + - only.") from None
    _write(file, [*(_ending(key, until) if key.name == name else key for key in keys), made])
    return secret


def remove(file: Path, name: str) -> None:
    """Forget every key of `name`.

    Raises:
        ConfigError: there is none, or the file cannot be used.
    """
    keys = read(file)
    kept = [key for key in keys if key.name != name]
    if len(kept) == len(keys):
        raise ConfigError(f"There is no key of {name!r} in {file}.")
    _write(file, kept)


def _read_if_there(file: Path) -> Sequence[Key]:
    return read(file) if file.exists() else ()


def _ending(key: Key, until: datetime) -> Key:
    return key.model_copy(update={"expires": min(key.expires, until) if key.expires else until})


def _write(file: Path, keys: Iterable[Key]) -> None:
    """Replace the file as a whole, readable by its owner alone, so that a server never reads half of one."""
    text = _KeysFile(keys=tuple(keys)).model_dump_json(indent=2)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as half:
            half.write(text + "\n")
        Path(temporary).replace(file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None
