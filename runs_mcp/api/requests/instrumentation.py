"""Observation of requests to the API, without ids, queries or bodies."""

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

import httpx
from typing_extensions import override

OPERATION = "runs_mcp.operation"
"""Extension of a request that holds the path of its operation."""
TOKEN_EXCHANGE = "(token exchange)"  # noqa: S105 - the name of an operation


@dataclass(slots=True)
class Exchange:
    """One request, and the status of its response."""

    method: str
    template: str
    """Path with its parameters named, e.g. `/runs/{run_id}`, so that few values occur."""
    host: str
    headers: MutableMapping[str, str] = field(default_factory=dict)
    """Headers that an observer adds to the request."""
    status: int | None = None
    """HTTP status; None until the response begins, or if no response arrives."""


Observe = Callable[[Exchange], AbstractContextManager[object]]
"""Returns a context that is entered before a request is sent, and left when its answer begins or will not come."""


class InstrumentedTransport(httpx.AsyncBaseTransport):
    """A transport that reports each request to observers."""

    def __init__(self, transport: httpx.AsyncBaseTransport, observers: Sequence[Observe]) -> None:
        self._transport = transport
        self._observers = observers

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, with the headers that observers add."""
        exchange = Exchange(request.method, request.extensions[OPERATION], request.url.host)
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
