"""Step-up with profiles: a caller learns the scope to request, and calls with its next token stay in its profile."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from runs_mcp.config.settings import Config
from tests.calls import call
from tests.http.issuer import BOTH, READ, RESOURCE, Issuer, issuing
from tests.http.service import Endpoint, bearer, connected, running
from tests.http.tenants import Tenant, profile
from tests.upstream import serving as upstream

pytestmark = pytest.mark.anyio

CREATE = {"interaction": "Review", "data": {"text": "x"}, "wait": False}


@dataclass(frozen=True, slots=True)
class Service:
    """An endpoint for the callers of two organisations, each with a profile; that of globex is read-only."""

    at: Endpoint
    issuer: Issuer
    acme: Tenant
    globex: Tenant

    async def refusal(self, tool: str, *, org: str, scope: str = READ) -> tuple[int, str]:
        """Return the status of a call in 2026-07-28, and the challenge."""
        answer = await self.at.ask("tools/call", name=tool, **bearer(self.issuer.token(org=org, scope=scope)))
        return answer.status_code, answer.headers.get("www-authenticate", "")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """An endpoint whose profiles are chosen by a claim of the token."""
    acme, globex = Tenant("acme", ""), Tenant("globex", "")
    async with issuing() as issuer, AsyncExitStack() as stack:
        for tenant in (acme, globex):
            tenant.api = await stack.enter_async_context(upstream(tenant.replies))
        auth = {"kind": "jwt", "issuer": issuer.url, "resource_url": RESOURCE, "jwks_url": f"{issuer.url}/jwks"}
        config = Config.model_validate(
            {
                "server": {"create_tag": False, "http": {"auth": auth}},
                "profiles": {"acme": of_organisation(acme), "globex": {**of_organisation(globex), "read_only": True}},
            }
        )
        yield Service(await stack.enter_async_context(running(config)), issuer, acme, globex)


def of_organisation(tenant: Tenant) -> dict[str, Any]:
    """Return the profile of the callers whose token names the organisation of `tenant`."""
    return {**profile(tenant), "callers": [], "claims": {"org": tenant.name}}


async def test_a_call_without_its_scope_names_the_scope_to_request(service: Service) -> None:
    status, challenge = await service.refusal("create_run", org="acme")
    assert status == 403
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="runs:create runs:read"' in challenge
    assert 'resource_metadata="https://runs.example.com/.well-known/oauth-protected-resource/mcp"' in challenge
    assert service.acme.created == []


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_call_with_the_requested_scope_runs_in_the_profile_of_the_caller(service: Service, mode: str) -> None:
    async with connected(service.at, mode, bearer(service.issuer.token(org="acme", scope=BOTH))) as client:
        created = await call(client, "create_run", **CREATE)
    assert created.structured["id"] == "new"
    assert len(service.acme.created) == 1
    assert service.globex.created == []


async def test_a_tool_that_the_profile_leaves_out_asks_for_no_scope(service: Service) -> None:
    for scope in (READ, BOTH):  # a token with more scopes would not help
        assert await service.refusal("create_run", org="globex", scope=scope) == (400, "")


async def test_a_caller_of_no_profile_asks_for_no_scope(service: Service) -> None:
    assert await service.refusal("create_run", org="initech") == (403, "")


async def test_a_session_without_the_scope_returns_a_message(service: Service) -> None:
    async with connected(service.at, "legacy", bearer(service.issuer.token(org="acme"))) as client:
        assert "create_run" not in {tool.name for tool in (await client.list_tools()).tools}
        refused = await call(client, "create_run", **CREATE)
    assert refused.failed
    assert refused.text.startswith("create_run needs the scope runs:create")
    assert service.acme.created == []
