"""Requests to the API as an observer sees them: without ids, queries or bodies."""

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from runs_mcp.api.network import Network, Request, Response

EXCHANGE = "(token exchange)"


@dataclass(slots=True)
class Exchange:
    """One request, and the status it was answered with."""

    method: str
    template: str
    """The path with its parameters named, e.g. `/runs/{run_id}`: of these there are few."""
    host: str
    headers: MutableMapping[str, str] = field(default_factory=dict)
    """What an observer wants sent along."""
    status: int | None = None
    """None while there is no answer, and for ever if none came."""


Observe = Callable[[Exchange], AbstractContextManager[object]]
"""Entered before a request is sent, left when its answer begins or will not come."""


class Observed:
    """A network whose requests to the API at `base_url` are observed."""

    def __init__(self, network: Network, observers: Sequence[Observe], *, base_url: str) -> None:
        self._network = network
        self._observers = observers
        self._base_path = urlsplit(base_url).path.rstrip("/")

    async def send(self, request: Request) -> Response:
        """As in `Network`."""
        parts = urlsplit(request.url)
        path = parts.path.removeprefix(self._base_path)
        exchange = Exchange(request.method, template(path), parts.hostname or "")
        with ExitStack() as observing:
            for observe in self._observers:
                observing.enter_context(observe(exchange))
            response = await self._network.send(replace(request, headers={**request.headers, **exchange.headers}))
            exchange.status = response.status
        return response

    async def aclose(self) -> None:
        """As in `Network`."""
        await self._network.aclose()


def template(path: str) -> str:
    """The path of an operation with its parameters named; what is no operation exchanges a credential."""
    match path.split("/"):
        case ["", "runs"] | ["", "runs", "facets" | "search" | "find"]:
            return path
        case ["", "runs", "filter-options", _]:
            return "/runs/filter-options/{field}"
        case ["", "runs", _]:
            return "/runs/{run_id}"
        case ["", "runs", _, "stream"]:
            return "/runs/{run_id}/stream"
        case _:
            return EXCHANGE
