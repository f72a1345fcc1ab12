"""Access to the dashboard: a token that works once, and the cookie that follows it."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from runs_mcp.http.dashboard.browser_session import BrowserSession

pytestmark = pytest.mark.anyio

AUTHORITY = "127.0.0.1:8123"
URL = f"http://{AUTHORITY}"


async def page(_: Request) -> PlainTextResponse:
    return PlainTextResponse("runs")


@pytest.fixture
def session() -> BrowserSession:
    """The access to an app with one page."""
    return BrowserSession(Starlette(routes=[Route("/", page, methods=["GET", "POST"])]), authority=AUTHORITY)


@pytest.fixture
async def browser(session: BrowserSession) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, as a browser does."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(session), base_url=URL) as client:
        yield client


@pytest.fixture
async def admitted(session: BrowserSession, browser: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser that has presented the token."""
    assert (await browser.get("/", params={"token": session.token})).status_code == 200
    return browser


async def test_the_token_sets_a_cookie_and_leads_to_an_address_without_it(
    session: BrowserSession, browser: httpx.AsyncClient
) -> None:
    welcome = await browser.get("/", params={"run": 'a"b', "token": session.token})
    cookie = welcome.headers["set-cookie"]
    assert re.search("httponly", cookie, re.IGNORECASE)
    assert re.search("samesite=strict", cookie, re.IGNORECASE)
    assert session.token not in cookie
    assert f'content="0; url={URL}/?run=a%22b"' in welcome.text
    assert session.token not in welcome.text
    assert welcome.headers["cache-control"] == "no-store"
    assert welcome.headers["referrer-policy"] == "no-referrer"
    assert (await browser.get("/")).text == "runs"


async def test_the_token_works_once(session: BrowserSession, admitted: httpx.AsyncClient) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(session), base_url=URL) as second:
        replay = await second.get("/", params={"token": session.token})
        assert replay.status_code == 403
        assert "Start `runs-mcp dashboard` again" in replay.text
        assert "set-cookie" not in replay.headers
        assert (await second.get("/")).status_code == 403
    assert (await admitted.get("/")).text == "runs"


async def test_the_admitted_browser_may_open_the_printed_address_again(
    session: BrowserSession, admitted: httpx.AsyncClient
) -> None:
    assert f"url={URL}/" in (await admitted.get("/", params={"token": session.token})).text


@pytest.mark.parametrize("path", ["//example.com/", "/%5Cexample.com/", "/%2F/example.com/"])
async def test_a_path_in_the_form_of_another_host_leads_to_no_other_host(
    admitted: httpx.AsyncClient, path: str
) -> None:
    assert f"url={URL}/" in (await admitted.get(f"{URL}{path}?token=")).text


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 43])
async def test_a_wrong_token_is_refused_and_the_right_token_still_works(
    session: BrowserSession, browser: httpx.AsyncClient, token: str
) -> None:
    assert (await browser.get("/", params={"token": token})).status_code == 403
    assert (await browser.get("/", params={"token": session.token})).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "POST"])
async def test_only_a_visit_uses_the_token(session: BrowserSession, browser: httpx.AsyncClient, method: str) -> None:
    assert (await browser.request(method, "/", params={"token": session.token})).status_code == 403
    assert (await browser.get("/", params={"token": session.token})).status_code == 200


@pytest.mark.parametrize("cookie", [None, "x", "é"])
async def test_a_request_without_the_right_cookie_is_refused(browser: httpx.AsyncClient, cookie: str | None) -> None:
    headers = {} if cookie is None else {b"Cookie": f"runs-mcp-8123={cookie}".encode()}
    assert (await browser.get("/", headers=headers)).status_code == 403


async def test_each_start_has_a_token_and_a_cookie_of_its_own(admitted: httpx.AsyncClient) -> None:
    restarted = BrowserSession(page_app := Starlette(routes=[Route("/", page)]), authority=AUTHORITY)
    assert restarted.token != BrowserSession(page_app, authority=AUTHORITY).token
    transport = httpx.ASGITransport(restarted)
    async with httpx.AsyncClient(transport=transport, base_url=URL, cookies=admitted.cookies) as browser:
        assert (await browser.get("/")).status_code == 403


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param({"Host": "example.com"}, 421, id="another name for this machine"),
        pytest.param({"Host": "example.com:8123"}, 421, id="another name with the port"),
        pytest.param({"Host": "127.0.0.1:8124"}, 421, id="another port"),
        pytest.param({"Origin": "https://example.com"}, 403, id="another site's page"),
        pytest.param({"Origin": "http://127.0.0.1:8124"}, 403, id="a page on another port"),
        pytest.param({"Origin": "null"}, 403, id="a page without an origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site's link"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="a link on another port"),
    ],
)
async def test_requests_of_other_sites_are_refused_even_with_the_cookie(
    admitted: httpx.AsyncClient, headers: dict[str, str], refusal: int
) -> None:
    for method in ("GET", "POST"):
        assert (await admitted.request(method, "/", headers=headers)).status_code == refusal


@pytest.mark.parametrize("headers", [{"Origin": URL}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
async def test_requests_of_the_dashboard_itself_pass(admitted: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await admitted.post("/", headers=headers)).text == "runs"


async def test_a_page_on_another_host_cannot_use_the_token(session: BrowserSession, browser: httpx.AsyncClient) -> None:
    headers = {"Host": "rebound.example.com:8123"}
    assert (await browser.get("/", params={"token": session.token}, headers=headers)).status_code == 421
    assert (await browser.get("/", params={"token": session.token})).status_code == 200
