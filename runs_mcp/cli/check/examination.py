"""What is examined, and what has been learned of it so far."""

import ssl
import time
from collections.abc import Iterator, Set
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
from typing_extensions import override

from runs_mcp.api import EDITIONS, Credential, DefaultTransport, Edition, Run, RunsClient
from runs_mcp.config.settings import Config
from runs_mcp.observability.masking import MASK, mask

SECRET_PARAMETERS = ("token", "access_token")


class Wire(httpx.AsyncBaseTransport):
    """A transport that remembers the last answer and every secret that was sent."""

    def __init__(self, secrets: set[str]) -> None:
        self._transport = DefaultTransport()
        self._secrets = secrets
        self.answer: httpx.Response | None = None
        """The last answer; its head is of interest."""
        self.answered_at = 0.0
        """When it came, in seconds since the epoch."""

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        self._secrets.update(_secrets_in(request))
        self.answer = await self._transport.handle_async_request(request)
        self.answered_at = time.time()
        return self.answer

    @override
    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


@dataclass(frozen=True, slots=True)
class Hop:
    """Whom a request is handed to: the API itself, or a proxy."""

    host: str
    port: int
    proxied: bool


@dataclass(slots=True)
class Examination:
    """What is examined. Each check leaves here what later ones need, and they run only if it could."""

    config_file: Path | None
    opened: AsyncExitStack
    """Closes what checks open."""
    secrets: set[str] = field(default_factory=set)
    """Whatever must not be shown, in each form it was read or sent in."""
    config: Config = field(init=False)
    offered: Set[str] = field(init=False)
    """Names of the tools that are offered."""
    source: str = field(init=False)
    """Where the secret comes from, in words."""
    hop: Hop = field(init=False)
    trust: ssl.SSLContext | None = None
    """By which certificates whoever answers is trusted; None: plain http."""
    wire: Wire = field(init=False)
    client: RunsClient = field(init=False)
    credential: Credential = field(default_factory=Credential)
    """What is known of the credential."""
    newest: list[Run] = field(default_factory=list)
    """Some of the newest runs."""

    @property
    def edition(self) -> Edition:
        """The contract the configuration says the API speaks."""
        return EDITIONS[self.config.api.edition]

    @property
    def base_url(self) -> str:
        """Where the configuration says the API is."""
        return self.config.api.base_url or self.edition.base_url

    @property
    def host(self) -> str:
        """The machine the API is on."""
        return urlsplit(self.base_url).hostname or ""

    def without_secrets(self, text: str) -> str:
        """`text` as it may be shown, whoever wrote it."""
        forms = {form for secret in self.secrets for form in (secret, quote(secret, safe=""))}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return mask(text)


def _secrets_in(request: httpx.Request) -> Iterator[str]:
    _, _, bearer = request.headers.get("Authorization", "").partition(" ")
    query = parse_qs(request.url.query.decode())
    yield from filter(None, [bearer, *(value for name in SECRET_PARAMETERS for value in query.get(name, ()))])
