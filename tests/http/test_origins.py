"""Host and Origin headers: the names and web pages that are accepted, in both protocol eras."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from runs_mcp.config.problems import ConfigError
from runs_mcp.http.app import build_service
from tests import upstream
from tests.http.service import ACCEPT, INITIALIZE, LEGACY, MODERN, Running, configured, running

pytestmark = pytest.mark.anyio

HOSTS = ("Runs.example.com:*", "plain.example.com", "secure.example.com:443", "*.apps.example.com", "[2001:db8:0::1]")
ORIGINS = ("https://chat.example.com", "http://localhost:*")


async def opened(at: Running, era: str, **headers: str) -> httpx.Response:
    """Return the response to a first request of either era."""
    if era == MODERN:
        return await at.ask("server/discover", **headers)
    return await at.post(INITIALIZE, **headers)


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"], scope="module")
async def guarded(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Running]:
    """A service with allowed host names, bound to loopback or to every address."""
    async with upstream.serving({}) as api:
        config = configured(api, allowed_hosts=HOSTS, allowed_origins=ORIGINS)
        async with running(config, host=request.param) as at:
            yield at


@pytest.mark.parametrize("era", [LEGACY, MODERN])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="loopback"),
        pytest.param({"host": "runs.example.com"}, 200, id="an allowed host"),
        pytest.param({"host": "runs.example.com:8443"}, 200, id="an allowed host at any port"),
        pytest.param({"host": "RUNS.Example.COM"}, 200, id="an allowed host in capitals"),
        pytest.param({"host": "plain.example.com"}, 200, id="an allowed host without a port"),
        pytest.param({"host": "plain.example.com:80"}, 200, id="an allowed host at port 80"),
        pytest.param({"host": "plain.example.com:443"}, 200, id="an allowed host at port 443"),
        pytest.param({"host": "plain.example.com:8443"}, 421, id="an allowed host at a port that is not"),
        pytest.param({"host": "secure.example.com"}, 200, id="an allowed host without its default port"),
        pytest.param({"host": "a.apps.example.com"}, 200, id="a subdomain that a wildcard allows"),
        pytest.param({"host": "apps.example.com"}, 421, id="the domain above such a wildcard"),
        pytest.param({"host": "*.apps.example.com"}, 421, id="a wildcard as a host"),
        pytest.param({"host": "127.0.0.1:80.evil.com"}, 421, id="a host that begins like loopback with a port"),
        pytest.param({"host": "127.0.0.1:80@evil.com"}, 421, id="a host with a user"),
        pytest.param({"host": "evil.example"}, 421, id="another host"),
        pytest.param({"host": "[::1]:8000"}, 200, id="loopback of IPv6"),
        pytest.param({"host": "[0:0:0:0:0:0:0:1]"}, 200, id="loopback of IPv6 at length"),
        pytest.param({"host": "127.0.0.2:8000"}, 200, id="another address of loopback"),
        pytest.param({"host": "app.localhost"}, 421, id="a subdomain of localhost"),
        pytest.param({"host": "[2001:DB8::1]"}, 200, id="an allowed address, written in another way"),
        pytest.param({"host": "[::1].evil.com"}, 421, id="a host that begins like loopback of IPv6"),
        pytest.param({"host": "localhost.evil.com"}, 421, id="a subdomain named like loopback"),
        pytest.param({"host": "127.0.0.1:99999"}, 421, id="loopback at a port that cannot exist"),
        pytest.param({"host": "plain.example.com."}, 421, id="an allowed host with a dot at its end"),
        pytest.param({"host": "plain.example.com:443.evil.com"}, 421, id="a host that begins like it with a port"),
        pytest.param({"host": "runs.example.com.evil.example"}, 421, id="a host that begins like it"),
        pytest.param({"host": "127.0.0.1.evil.example:80"}, 421, id="a host that begins like loopback"),
        pytest.param({"origin": "https://chat.example.com"}, 200, id="an allowed page"),
        pytest.param({"origin": "http://localhost:5173"}, 200, id="an allowed page at any port"),
        pytest.param({"origin": "https://runs.example.com"}, 200, id="a page of the service's own"),
        pytest.param({"origin": "https://evil.example"}, 403, id="another page"),
        pytest.param({"origin": "http://chat.example.com"}, 403, id="an allowed page, unencrypted"),
        pytest.param({"origin": "http://127.0.0.2:5173"}, 200, id="a page of another address of loopback"),
        pytest.param({"origin": "http://app.localhost:5173"}, 403, id="a page of a subdomain of localhost"),
        pytest.param({"origin": "null"}, 403, id="a page of nowhere"),
        pytest.param({"origin": "http://localhost:1.evil.com"}, 403, id="a page that begins like loopback"),
        pytest.param({"origin": "https://chat.example.com:443"}, 200, id="an allowed page at its default port"),
    ],
)
async def test_only_allowed_hosts_and_origins_are_served(
    guarded: Running, era: str, headers: dict[str, str], status: int
) -> None:
    assert (await opened(guarded, era, **headers)).status_code == status


async def test_cors_headers_list_the_headers_of_an_allowed_origin(guarded: Running) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,mcp-name"}
    for origin in ("https://chat.example.com", "http://localhost:5173"):
        preflight = await guarded.http.options(guarded.endpoint, headers={"origin": origin, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        assert preflight.headers["access-control-allow-headers"] == "authorization,mcp-name"
        assert "access-control-allow-credentials" not in preflight.headers
    answer = await guarded.ask("server/discover", origin="https://chat.example.com")
    assert answer.headers["access-control-allow-origin"] == "https://chat.example.com"
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("allowed", [(), ORIGINS], ids=["none allowed", "others allowed"])
async def test_other_origins_get_no_cors_headers(allowed: tuple[str, ...]) -> None:
    async with upstream.serving({}) as api, running(configured(api, allowed_origins=allowed)) as at:
        for origin in ("https://evil.example", "https://chatXexample.com", "http://127.0.0.1:5173"):
            asked = {"origin": origin, "access-control-request-method": "POST"}
            preflight = await at.http.options(at.endpoint, headers=asked)
            assert preflight.status_code >= 400
            assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"allowed_hosts": ("*",)}, id="any host"),
        pytest.param({"allowed_hosts": ("runs.*.com",)}, id="a wildcard in the middle"),
        pytest.param({"allowed_hosts": ("runs.example.com:70000",)}, id="a port that cannot exist"),
        pytest.param({"allowed_hosts": ("[1:2]",)}, id="half an address"),
        pytest.param({"allowed_origins": ("chat.example.com",)}, id="an origin without a scheme"),
    ],
)
async def test_a_pattern_that_cannot_work_is_rejected_at_start(settings: dict[str, Any]) -> None:
    async with upstream.serving({}) as api:
        with pytest.raises(ConfigError, match=f"server.http.{next(iter(settings))}: "):
            build_service(configured(api, **settings), host="127.0.0.1")


async def test_a_slash_after_the_path_changes_nothing(guarded: Running) -> None:
    assert (await guarded.http.post(f"{guarded.endpoint}/", json=INITIALIZE, headers=ACCEPT)).status_code == 200


@pytest.mark.parametrize("accept", [[], [("accept", "")]], ids=["missing", "empty"])
async def test_a_request_without_accept_takes_both_media_types(guarded: Running, accept: list[tuple[str, str]]) -> None:
    request = guarded.http.build_request("POST", guarded.endpoint, json=INITIALIZE)
    del request.headers["accept"]
    request.headers.update(accept)
    assert (await guarded.http.send(request)).status_code == 200


async def test_a_client_that_tries_to_resume_a_stream_gets_a_new_stream(guarded: Running) -> None:
    headers = {**ACCEPT, **await guarded.open_session(), "last-event-id": "7"}
    async with guarded.http.stream("GET", guarded.endpoint, headers=headers) as stream:
        assert (stream.status_code, stream.headers["content-type"].split(";")[0]) == (200, "text/event-stream")
