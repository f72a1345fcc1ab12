"""The signing keys of an issuer (RFC 7517): cached, and fetched again if a token names an unknown key.

docs/decisions/remote-keys.md explains why this is not `jwt.PyJWKClient`.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, Protocol

import anyio
import httpx
import jwt
from pydantic import BaseModel, ValidationError

from runs_mcp import __version__
from runs_mcp.api import DefaultTransport
from runs_mcp.config.problems import ConfigError
from runs_mcp.http.auth.reloaded_file import ReloadedFile

log = logging.getLogger(__name__)

FRESH_S = 300
"""Seconds after which keys are fetched again."""
USABLE_S = 3_600
"""Seconds for which keys stay in use if they cannot be fetched again: a short outage must not lock out callers."""
PAUSE_S = 10
"""Seconds between two fetches without a new key: tokens with invented key ids must not cause a flood of requests."""
TIMEOUT_S = 5
CHUNK_BYTES = 64 * 1024
MAX_BYTES = 256 * 1024
"""Maximum size of a key set; a key takes about 2 KiB."""

Keys = Mapping[str, jwt.PyJWK]


class KeysUnavailableError(Exception):
    """The issuer's keys are unavailable, so no token can be verified."""


class _NoKeysError(Exception):
    """An answer or a file without usable keys; the text names the reason."""


class SigningKeys(Protocol):
    """The keys of an issuer."""

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with the id `kid`; None if the issuer has no such key.

        Raises:
            KeysUnavailableError: the keys cannot be read.
        """
        ...


class KeysInFile:
    """Keys in a file, reloaded when it changes."""

    def __init__(self, file: Path) -> None:
        """Raises: ConfigError: the file contains no keys."""
        self._keys = ReloadedFile[Keys](file, _read, empty={})

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with the id `kid`; None if the file has no such key."""
        return self._keys.current().get(kid)


class KeysAtUrl:
    """Keys that the issuer publishes. One fetch serves all concurrent callers."""

    def __init__(self, url: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._now = now
        self._lock = anyio.Lock()
        self._keys: Keys = {}
        self._fetched = self._pausing_until = float("-inf")

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with the id `kid`; None if the issuer has no such key.

        Raises:
            KeysUnavailableError: the keys cannot be fetched, and the cached keys are too old.
        """
        if self._needs_fetch(kid):
            async with self._lock:
                await self._refresh(kid)
        if self._now() - self._fetched > USABLE_S:
            raise KeysUnavailableError
        return self._keys.get(kid)

    def _needs_fetch(self, kid: str) -> bool:
        return kid not in self._keys or self._now() - self._fetched > FRESH_S

    async def _refresh(self, kid: str) -> None:
        # Checked again: another caller may have fetched the keys while this caller waited for the lock.
        if not self._needs_fetch(kid) or self._now() < self._pausing_until:
            return
        try:
            self._keys = _parsed(await self._fetch())
            self._fetched = self._now()
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            _warn(type(error).__name__)  # without its text, which the transport wrote
        except _NoKeysError as error:
            _warn(str(error))
        if self._needs_fetch(kid):
            self._pausing_until = self._now() + PAUSE_S

    async def _fetch(self) -> bytes:
        headers = {"Accept": "application/json", "User-Agent": f"runs-mcp/{__version__}"}
        # `trust_env` would add the credentials of ~/.netrc; `DefaultTransport` handles the proxies of the environment.
        # No redirects: only the configured URL was checked to be https.
        client = httpx.AsyncClient(transport=DefaultTransport(), headers=headers, timeout=TIMEOUT_S, trust_env=False)
        async with client:
            with anyio.fail_after(TIMEOUT_S):
                async with client.stream("GET", self._url) as response:
                    if response.status_code != HTTPStatus.OK:
                        raise _NoKeysError(f"status {response.status_code}")
                    return await _read_limited(response)


def _warn(reason: str) -> None:
    # Without the URL, whose query can hold a secret.
    log.warning("the issuer's keys cannot be fetched (server.http.auth.jwks_url): %s", reason)


async def _read_limited(response: httpx.Response) -> bytes:
    """Return the body of a response.

    Raises:
        _NoKeysError: the body is larger than `MAX_BYTES`; the rest is not read.
    """
    body = bytearray()
    async for chunk in response.aiter_bytes(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BYTES:
            raise _NoKeysError(f"more than {MAX_BYTES:,} bytes")
    return bytes(body)


class _Key(BaseModel):
    """The members that a public signing key needs."""

    # No symmetric keys: a published HMAC key would let anyone sign tokens (RFC 8725, section 2.1).
    kty: Literal["RSA", "EC", "OKP"]
    kid: str
    use: Literal["sig"] = "sig"
    alg: str | None = None


class _KeySet(BaseModel):
    keys: list[dict[str, Any]]


def _read(file: Path) -> Keys:
    try:
        return _parsed(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"server.http.auth.jwks_file ({file}) cannot be read: {error.strerror}.") from None
    except _NoKeysError as error:
        raise ConfigError(f"server.http.auth.jwks_file ({file}) holds {error}.") from None


def _parsed(document: bytes) -> Keys:
    """Return the public signing keys of a JSON Web Key Set by their ids.

    Raises:
        _NoKeysError: the document has no usable keys.
    """
    try:
        key_set = _KeySet.model_validate_json(document)
    except ValidationError:
        raise _NoKeysError("no JSON Web Key Set") from None
    keys = {str(key.key_id): key for key in _usable(key_set.keys)}
    if not keys:
        raise _NoKeysError("no usable key: each needs kty RSA, EC or OKP, and a kid")
    return keys


def _usable(keys: Iterable[dict[str, Any]]) -> Iterator[jwt.PyJWK]:
    """Yield the public signing keys. Malformed and other keys are ignored (RFC 7517, section 5)."""
    for key in keys:
        with suppress(ValidationError, jwt.PyJWTError):
            _Key.model_validate(key)
            yield jwt.PyJWK(key)
