"""Keys, tokens, permissions, and the bodies of errors."""

import httpx
import jwt
import pytest

from runs_mcp.sandbox import DEMO_KEY, SandboxOptions
from tests.http_client import http_client
from tests.sandbox.sandbox_client import create, sandbox, signed_in

pytestmark = pytest.mark.anyio


def root(api: httpx.AsyncClient) -> str:
    return str(api.base_url).removesuffix("/api/v1/")


async def test_both_exchanges_give_a_token_that_can_be_decoded(api: httpx.AsyncClient) -> None:
    async with http_client() as anyone:
        then = await anyone.get(
            f"{root(api)}/auth/token", params={"token": DEMO_KEY}, headers={"authorization": "undefined"}
        )
        now = await anyone.post(f"{root(api)}/token/issue", headers={"authorization": f"Bearer {DEMO_KEY}"})
    for response in (then, now):
        claims = jwt.decode(response.json()["token"], options={"verify_signature": False})
        assert claims["exp"] > claims["iat"]
        assert claims["project"]["name"] == "Demo"


async def test_an_unknown_key_is_rejected(api: httpx.AsyncClient) -> None:
    async with http_client() as anyone:
        for response in (
            await anyone.get(f"{root(api)}/auth/token", params={"token": "sk-other"}),
            await anyone.post(f"{root(api)}/token/issue"),
        ):
            assert response.status_code == 401
            assert response.json() == {"error": "Unauthorized", "status": 401, "message": "Invalid API key."}


@pytest.mark.parametrize("token", [None, "garbage", DEMO_KEY, jwt.encode({"exp": 4_000_000_000}, "x" * 32, "HS256")])
async def test_a_missing_or_invalid_token_is_a_401(api: httpx.AsyncClient, token: str | None) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with http_client(base_url=api.base_url, headers=headers) as stranger:
        response = await stranger.get("/runs")
    assert response.status_code == 401
    assert response.json()["error"] == "Unauthorized"


async def test_a_token_expires() -> None:
    async with sandbox(SandboxOptions(seed_runs=1, token_lifetime_s=-1)) as api:
        assert (await api.get("/runs")).status_code == 401


async def test_a_token_may_come_as_a_parameter(api: httpx.AsyncClient) -> None:
    token = api.headers["authorization"].removeprefix("Bearer ")
    async with http_client(base_url=api.base_url) as browser:
        assert (await browser.get("/runs", params={"access_token": token, "limit": 1})).status_code == 200


async def test_the_public_key_may_only_execute(api: httpx.AsyncClient) -> None:
    async with signed_in(root(api), "pk-sandbox-demo") as public:
        run = await create(public, "SlowWriter", {"chunks": 1})
        assert run["status"] == "completed"
        for response in (
            await public.get("/runs"),
            await public.get(f"/runs/{run['id']}"),
            await public.post("/runs/search", json={}),
            await public.post("/runs/find", json={"query": {}}),
            await public.post("/runs/facets", json={"facets": []}),
            await public.get("/runs/filter-options/model"),
        ):
            assert response.status_code == 403
            assert response.json()["message"] == "Missing permission run:read."


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/runs/nope", 404),
        ("GET", "/nothing", 404),
        ("PATCH", "/runs/r1", 405),
        ("DELETE", "/runs/r1", 404),
        ("GET", "/runs/a%2Fb", 404),
    ],
)
async def test_an_unknown_route_or_run_is_answered_in_the_platforms_form(
    api: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await api.request(method, path)
    assert response.status_code == status
    assert response.json()["status"] == status
    assert response.json()["error"]


async def test_browsers_may_call_from_any_origin(api: httpx.AsyncClient) -> None:
    headers = {
        "origin": "https://example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-api-version",
    }
    preflight = await api.options("/runs/search", headers=headers)
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["access-control-allow-methods"]
    answer = await api.get("/runs", params={"limit": 1}, headers={"origin": "https://example.com"})
    assert answer.headers["access-control-allow-origin"] == "*"
