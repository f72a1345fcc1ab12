"""The keys by which an issuer signs its tokens: cached, and fetched again when a token names an unknown key."""

import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import anyio
import httpx
import jwt
from pydantic import BaseModel

from runs_mcp import __version__
from runs_mcp.api import DefaultTransport
from runs_mcp.config.problems import ConfigError
from runs_mcp.http.auth.reloaded_file import Reread

log = logging.getLogger(__name__)

FRESH_S = 300
"""Seconds after which keys are fetched again."""
USABLE_S = 3_600
"""Seconds for which keys are used where they cannot be fetched again."""
PAUSE_S = 10
"""Seconds between two fetches that found nothing new: tokens with made-up keys must not have us flood the issuer."""
TIMEOUT_S = 5
CHUNK_BYTES = 64 * 1024
MAX_BYTES = 256 * 1024
"""Largest key set that is read: a key takes about 2 KiB."""
ASYMMETRIC = {"RSA", "EC", "OKP"}

Keys = Mapping[str, jwt.PyJWK]


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be had, so that no token can be checked."""


class SigningKeys(Protocol):
    """The keys of an issuer."""

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """The key with this id, if the issuer has one.

        Raises:
            KeysUnavailableError: it cannot be said.
        """
        ...


class KeysInFile:
    """Keys in a file, read again when it changes."""

    def __init__(self, file: Path) -> None:
        """Raises: ConfigError: the file holds no keys."""
        self._keys = Reread[Keys](file, _read, nothing={})

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """The key with this id, if it is in the file."""
        return self._keys.current().get(kid)


class KeysAtUrl:
    """Keys that the issuer publishes, fetched once for all who ask."""

    def __init__(self, url: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._now = now
        self._lock = anyio.Lock()
        self._keys: Keys = {}
        self._fetched = self._pausing_until = float("-inf")

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """The key with this id, if the issuer has one.

        Raises:
            KeysUnavailableError: the keys cannot be fetched, and those there were are too old.
        """
        if self._wants(kid):
            async with self._lock:
                await self._look_for(kid)
        if self._now() - self._fetched > USABLE_S:
            raise KeysUnavailableError
        return self._keys.get(kid)

    def _wants(self, kid: str) -> bool:
        return kid not in self._keys or self._now() - self._fetched > FRESH_S

    async def _look_for(self, kid: str) -> None:
        if not self._wants(kid) or self._now() < self._pausing_until:
            return
        try:
            self._keys = _parsed(await self._fetch())
            self._fetched = self._now()
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, TimeoutError) as error:
            log.warning("the issuer's keys cannot be fetched from %s: %s", self._url, type(error).__name__)
        if self._wants(kid):
            self._pausing_until = self._now() + PAUSE_S

    async def _fetch(self) -> bytes:
        headers = {"Accept": "application/json", "User-Agent": f"runs-mcp/{__version__}"}
        client = httpx.AsyncClient(transport=DefaultTransport(), headers=headers, timeout=TIMEOUT_S, trust_env=False)
        async with client:
            with anyio.fail_after(TIMEOUT_S):
                async with client.stream("GET", self._url) as response:
                    if response.status_code != HTTPStatus.OK:
                        raise ValueError(f"status {response.status_code}")
                    return await _read_limited(response)


async def _read_limited(response: httpx.Response) -> bytes:
    """Return the body of a response.

    Raises:
        ValueError: it is larger than `MAX_BYTES`; the rest is not read.
    """
    body = bytearray()
    async for chunk in response.aiter_bytes(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
    return bytes(body)


class _KeySet(BaseModel):
    keys: list[dict[str, Any]]


def _read(file: Path) -> Keys:
    try:
        return _parsed(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"server.http.auth.jwks_file ({file}) cannot be read: {error.strerror}.") from None
    except (jwt.PyJWTError, ValueError):
        raise ConfigError(f"server.http.auth.jwks_file ({file}) holds no keys: a JSON Web Key Set is wanted.") from None


def _parsed(document: bytes) -> Keys:
    """The public keys for signatures, by their ids; a symmetric one among them would let anyone sign.

    Raises:
        ValueError, jwt.PyJWTError: the document has no usable keys.
    """
    usable = [
        key
        for key in _KeySet.model_validate_json(document).keys
        if key.get("kty") in ASYMMETRIC and key.get("use", "sig") == "sig"
    ]
    return {key.key_id: key for key in jwt.PyJWKSet(usable).keys if key.key_id}
