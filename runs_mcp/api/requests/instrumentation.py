"""Observation of requests to the API, without ids, queries or bodies."""

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
from typing_extensions import override

TOKEN_EXCHANGE = "(token exchange)"  # noqa: S105 - the name of an operation


@dataclass(slots=True)
class Exchange:
    """One request, and the status of its answer."""

    method: str
    template: str
    """Path with its parameters named, e.g. `/runs/{run_id}`, so that few values occur."""
    host: str
    headers: MutableMapping[str, str] = field(default_factory=dict)
    """Headers that an observer adds to the request."""
    status: int | None = None
    """HTTP status; None until the answer begins, and for ever if none comes."""


Observe = Callable[[Exchange], AbstractContextManager[object]]
"""Returns a context that is entered before a request is sent, and left when its answer begins or will not come."""


class InstrumentedTransport(httpx.AsyncBaseTransport):
    """A transport that reports each request to observers."""

    def __init__(self, transport: httpx.AsyncBaseTransport, observers: Sequence[Observe], *, base_url: str) -> None:
        self._transport = transport
        self._observers = observers
        self._base_path = urlsplit(base_url).path.rstrip("/")

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, with the headers that observers add."""
        path = request.url.raw_path.decode("ascii").partition("?")[0].removeprefix(self._base_path)
        exchange = Exchange(request.method, path_template(path), request.url.host)
        with ExitStack() as observing:
            for observe in self._observers:
                observing.enter_context(observe(exchange))
            request.headers.update(exchange.headers)
            response = await self._transport.handle_async_request(request)
            exchange.status = response.status_code
        return response

    @override
    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


def path_template(path: str) -> str:
    """Return the path of an operation with its parameters named. Other paths exchange a credential."""
    match path.split("/"):
        case ["", "runs" | "environments"] | ["", "runs", "facets" | "search" | "find"]:
            return path
        case ["", "interactions", "names" | "export" | "endpoints"]:
            return path
        case ["", "interactions", "resolve", _]:
            return "/interactions/resolve/{interaction}"
        case ["", "runs", "filter-options", _]:
            return "/runs/filter-options/{field}"
        case ["", "runs", _]:
            return "/runs/{run_id}"
        case ["", "runs", _, "stream"]:
            return "/runs/{run_id}/stream"
        case _:
            return TOKEN_EXCHANGE
