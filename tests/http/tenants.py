"""Two tenants of a service; their APIs have runs with the same ids and share nothing else."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.config.settings import Config
from runs_mcp.http.auth import keys
from tests.http.service import Endpoint, running
from tests.upstream import CLOSE, Replies, Reply, Upstream, chunk, events
from tests.upstream import serving as upstream

NAMES = ("acme", "globex")
Settings = Mapping[str, Any]


@dataclass(slots=True)
class Tenant:
    """The callers of a profile, the API behind it, and the requests that the API received."""

    name: str
    key: str
    ends: anyio.Event = field(default_factory=anyio.Event)
    """Once set, the run `slow` has ended."""
    credentials: set[str] = field(default_factory=set)
    """The credentials that the API received."""
    queries: list[str] = field(default_factory=list)
    created: list[Any] = field(default_factory=list)
    api: Upstream | None = None

    @property
    def credential(self) -> str:
        """Return the tenant's credential for the API."""
        return f"upstream-credential-of-{self.name}"

    @property
    def run(self) -> dict[str, Any]:
        """Return the only run of the API."""
        return {
            "id": "r1",
            "status": "completed",
            "interaction": {"id": f"{self.name}-id", "name": "Review"},
            "tags": [f"tag-of-{self.name}"],
            "result": f"words of {self.name}",
        }

    @property
    def replies(self) -> Replies:
        """Return the replies of the API."""
        option = {"id": f"{self.name}-id", "name": "Review", "count": 1}
        written = [f"words of {self.name}, number {number}. " for number in range(20)]
        return {
            "GET /runs": self._list,
            "GET /runs/r1": self._answers(self.run),
            "GET /runs/slow": self._slow,
            "POST /runs": self._create,
            "GET /runs/new": self._answers({**self.run, "id": "new", "result": "".join(written)}),
            "GET /runs/new/stream": events(*(chunk(text) for text in written), CLOSE),
            "POST /runs/search": self._answers([self.run]),
            "POST /runs/facets": self._answers({"tags": [{"_id": f"tag-of-{self.name}", "count": 1}]}),
            "GET /runs/filter-options/interaction": self._answers([option]),
        }

    def _answers(self, body: Any) -> Reply:
        async def answer(request: Request) -> Response:
            self.credentials.add(request.headers["authorization"])
            self.queries.append(str(request.query_params))
            return JSONResponse(body)

        return answer

    async def _list(self, request: Request) -> Response:
        looked_for = request.query_params.get("tag", "").startswith("runs-mcp:")
        return await self._answers([] if looked_for else [self.run])(request)

    async def _slow(self, _: Request) -> Response:
        return JSONResponse({**self.run, "id": "slow", "status": "completed" if self.ends.is_set() else "processing"})

    async def _create(self, request: Request) -> Response:
        self.created.append(await request.json())
        return JSONResponse({"id": "new", "status": "created"})


@dataclass(frozen=True, slots=True)
class Service:
    """An endpoint, and the tenants that it serves."""

    at: Endpoint
    acme: Tenant
    globex: Tenant
    keys_file: Path

    @property
    def tenants(self) -> tuple[Tenant, Tenant]:
        """Return both tenants."""
        return self.acme, self.globex


@asynccontextmanager
async def two_tenants(folder: Path, **profiles: Settings) -> AsyncIterator[Service]:
    """Run a service for both tenants, with further settings of their profiles; only the profiles have credentials."""
    file = folder / "keys.json"
    acme, globex = (Tenant(name, keys.add(file, f"{name}-agent", ["runs:read", "runs:create"])) for name in NAMES)
    async with AsyncExitStack() as stack:
        for tenant in (acme, globex):
            tenant.api = await stack.enter_async_context(upstream(tenant.replies))
        settings = {"kind": "bearer", "keys_file": file}
        config = Config.model_validate(
            {
                "streaming": {"flush_ms": 5},
                "server": {"create_tag": False, "http": {"auth": settings}},
                "profiles": {each.name: {**profile(each), **profiles.get(each.name, {})} for each in (acme, globex)},
            }
        )
        yield Service(await stack.enter_async_context(running(config)), acme, globex, file)


def profile(tenant: Tenant) -> dict[str, Any]:
    """Return the profile of a tenant."""
    assert tenant.api
    api = {
        "base_url": f"{tenant.api.url}/api/v1",
        "auth": {"value": tenant.credential},
        "project": f"project-of-{tenant.name}",
        "max_retries": 0,
    }
    return {"callers": [f"{tenant.name}-agent"], "api": api}
