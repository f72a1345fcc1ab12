"""The state that the checks share."""

import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
from typing_extensions import override

from runs_mcp.api import EDITIONS, Credential, DefaultTransport, Edition, Run, RunsClient
from runs_mcp.config.settings import Config
from runs_mcp.observability.mask import MASK, mask

SECRET_PARAMETERS = ("token", "access_token")


class RecordingTransport(DefaultTransport):
    """The default transport, which also records the last response and every secret that is sent."""

    def __init__(self, secrets: set[str]) -> None:
        super().__init__()
        self._sent = secrets
        self.response: httpx.Response | None = None
        """The last response. Only its status and headers are used: the client consumes the body."""
        self.responded_at = 0.0
        """Time of the last response, in seconds since the epoch."""

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        self._sent.update(_secrets_in(request))
        self.response = await super().handle_async_request(request)
        self.responded_at = time.time()
        return self.response


@dataclass(frozen=True, slots=True)
class Hop:
    """The host that receives a request: the API itself, or a proxy."""

    host: str
    port: int
    proxied: bool


@dataclass(slots=True)
class Examination:
    """The state of `check`. A check stores values that later checks need; they run only if that check succeeded."""

    config_file: Path | None
    resources: AsyncExitStack
    """Closes the client at the end."""
    secrets: set[str] = field(default_factory=set)
    """Texts to mask in the output, in each form that was read or sent."""
    config: Config = field(init=False)
    offered: Sequence[str] = field(init=False)
    """Names of the offered tools."""
    source: str = field(init=False)
    """Name of the source of the secret, such as `api.auth.file (secret)`."""
    hop: Hop = field(init=False)
    trust: ssl.SSLContext | None = None
    """The TLS context of requests; None for plain http."""
    transport: RecordingTransport = field(init=False)
    client: RunsClient = field(init=False)
    credential: Credential = field(default_factory=Credential)
    """Claims of the credential."""
    allowed: set[str] = field(default_factory=set)
    """Names of the tools whose operation the credential may use."""
    unusable: set[str] = field(default_factory=set)
    """Names of the offered tools that do not work with the credential, not even in a reduced form."""
    newest: list[Run] = field(default_factory=list)
    """Some of the newest runs."""

    @property
    def edition(self) -> Edition:
        """The configured edition."""
        return EDITIONS[self.config.api.edition]

    @property
    def base_url(self) -> str:
        """The configured base URL, or that of the edition."""
        return self.config.api.base_url or self.edition.base_url

    @property
    def host(self) -> str:
        """The host name of the API."""
        return urlsplit(self.base_url).hostname or ""

    def without_secrets(self, text: str) -> str:
        """Return `text` with every known secret masked."""
        forms = {form for secret in self.secrets for form in (secret, quote(secret, safe=""))}
        # Longest first: a secret that contains another would otherwise stay readable in part.
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return mask(text)


def _secrets_in(request: httpx.Request) -> Iterator[str]:
    # The token that an API key is exchanged for appears in no setting, only in requests.
    _, _, bearer = request.headers.get("Authorization", "").partition(" ")
    query = parse_qs(request.url.query.decode())
    yield from filter(None, [bearer, *(value for name in SECRET_PARAMETERS for value in query.get(name, ()))])
