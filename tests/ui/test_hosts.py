"""The pages in a host written with the official library, in front of the real server over HTTP."""

import csv
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from playwright.async_api import Browser, Route, expect
from starlette.requests import Request
from starlette.responses import Response

from tests import upstream
from tests.calls import PATIENT, call
from tests.clients import node
from tests.clients.processes import serving_http
from tests.ui.open_page import Look, looking
from tests.upstream import CLOSE, Replies, chunk, events, reply

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LIBRARIES = {
    "@modelcontextprotocol/ext-apps": "2.0.4",
    "@modelcontextprotocol/client": "2.0.0",
    "esbuild": "0.25.12",
}
SOURCE = Path(__file__).with_name("host.mjs")
BUNDLE = """
const options = { entryPoints: [process.argv[1]], bundle: true, format: "iife", write: false };
const made = require("esbuild").buildSync(options);
process.stdout.write(made.outputFiles[0].text);
"""
ALONE: dict[str, Any] = {"capabilities": {}}
"""A host that shows pages and makes no calls for them."""
INTERACTION = "66a1f0c2e4b0a1b2c3d40001"
NOW = datetime.now(UTC).isoformat()
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@dataclass(slots=True)
class Host:
    """A host in a browser, and another client of the same server."""

    look: Look
    client: Client

    async def connect(self, mode: str) -> None:
        """Connect the host in the era of `mode`."""
        await self.look.page.evaluate("mode => host.connect(mode)", mode)

    async def show(self, tool: str, arguments: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Let the host call a tool and show its answer."""
        ask = "([tool, args, options]) => host.show(tool, args, options)"
        return dict(await self.look.page.evaluate(ask, [tool, arguments, options]))

    async def create(self, **arguments: Any) -> str:
        """Create a run and return its id."""
        return str((await call(self.client, "create_run", **arguments)).structured["id"])


@pytest.fixture(scope="module")
async def server(anyio_backend: str) -> AsyncIterator[str]:
    """The address of a server in front of a sandbox."""
    async with serving_http() as url:
        yield url


@pytest.fixture(scope="module")
def script() -> str:
    """The bundled script of the host."""
    folder = node.installed("mcp-apps-host", LIBRARIES)
    (folder / SOURCE.name).write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    return node.run(["-e", BUNDLE, SOURCE.name], cwd=folder)


@asynccontextmanager
async def hosting(browser: Browser, server: str, script: str) -> AsyncIterator[Host]:
    """A host of `server`, loaded from the server's own origin, the only origin that it accepts."""
    html = f"<!doctype html><meta charset=utf-8><body style='margin: 0'><script>{script}</script>"

    async def fulfil(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html")

    async with looking(browser) as look, Client(server, client_info=PATIENT) as client:
        address = server.replace("/mcp", "/host.html")
        await look.page.route(address, fulfil)
        await look.page.goto(address)
        yield Host(look, client)


@pytest.fixture(scope="module")
async def loaded(browser: Browser, server: str, script: str) -> AsyncIterator[Host]:
    """A host for all tests."""
    async with hosting(browser, server, script) as host:
        yield host


@pytest.fixture
async def host(loaded: Host) -> AsyncIterator[Host]:
    """A connected host, which must have no errors at the end."""
    await loaded.connect("auto")
    yield loaded
    loaded.look.check()


async def test_every_tool_with_a_page_is_shown_on_it(host: Host) -> None:
    """This test uses the handshake era; all others use 2026-07-28."""
    await host.connect("legacy")
    run_id = await host.create(interaction="SummarizeText", data={"text": "One. Two."})
    shown: list[tuple[str, dict[str, Any], str]] = [
        ("compute_run_facets", {}, "By value"),
        ("list_runs", {"status": "failed"}, "Newest runs"),
        ("search_runs", {"start": "7d"}, "Newest runs"),
        ("find_runs", {"query": {"status": "failed"}}, "Newest runs"),
        ("get_run", {"run_id": run_id}, "SummarizeText"),
        ("stream_run", {"run_id": run_id}, "SummarizeText"),
        ("create_run", {"interaction": "SummarizeText", "data": {"text": "One."}}, "SummarizeText"),
    ]
    for tool, arguments, heading in shown:
        answer = await host.show(tool, arguments)
        assert answer["content"][0]["text"], "the text is whole without the page"
        await expect(host.look.view.get_by_role("heading", name=heading)).to_be_visible()


async def test_a_page_initializes_and_reports_its_height(host: Host) -> None:
    await host.show("compute_run_facets", {})
    await expect(host.look.view.get_by_role("heading", name="Over time")).to_be_visible()
    view = await host.look.page.evaluate("host.view()")
    assert view["info"]["name"] == "runs-mcp"
    assert view["capabilities"] == {"availableDisplayModes": ["inline", "fullscreen"]}
    await host.look.page.wait_for_function("window.size?.height > 900")


async def test_the_filters_of_a_call_are_those_of_the_dashboard(host: Host) -> None:
    await host.show("list_runs", {"status": "failed", "tag": "legal", "limit": 2})
    view = host.look.view
    await expect(view.get_by_role("button", name="Remove filter")).to_contain_text(["status: failed", "tags: legal"])
    await expect(view.locator(".run-row").nth(3)).to_contain_text("legal")
    assert set(await view.locator(".run-row .badge").all_inner_texts()) == {"failed"}


async def test_answers_other_than_searches_are_shown_unchanged(host: Host) -> None:
    await host.show("find_runs", {"query": {"status": "failed"}, "limit": 4})
    view = host.look.view
    await expect(view.get_by_text("The 4 runs of the answer: what was asked is no search.")).to_be_visible()
    await expect(view.get_by_label("Filters")).to_have_text('query: {"status":"failed"}')
    await expect(view.locator(".run-row")).to_have_count(4)
    await expect(view.get_by_label("Period")).not_to_be_visible()


async def test_a_run_is_followed_word_by_word_to_its_end(browser: Browser, script: str, tmp_path: Path) -> None:
    first, second = "The pages follow a run while it writes. ", "Then they show all of it."
    seen = anyio.Event()
    prompt = [{"role": "user", "content": "Say what the pages do."}]
    run = {"id": "r1", "status": "processing", "interaction": {"name": "Explain"}, "modelId": "m-1", "prompt": prompt}

    async def now(request: Request) -> Response:
        ended = {**run, "status": "completed", "result": first + second, "execution_time": 4_200}
        return await reply(ended if seen.is_set() else run)(request)

    replies: Replies = {
        "POST /runs": reply({"id": "r1", "status": "created"}),
        "GET /runs/r1/stream": events(chunk(first), seen, chunk(second), CLOSE),
        "GET /runs/r1": now,
    }
    config = tmp_path / "config.json"
    async with upstream.serving(replies) as api:
        settings = {"base_url": f"{api.url}/api/v1", "auth": {"value": upstream.TOKEN}}
        config.write_text(json.dumps({"api": settings}), encoding="utf-8")
        command = ("-m", "runs_mcp", "serve", "--config", str(config))
        async with serving_http(command) as server, hosting(browser, server, script) as host:
            await host.connect("auto")
            await host.show("create_run", {"interaction": "Explain", "wait": False})
            view = host.look.view
            await expect(view.get_by_role("log", name="Text so far")).to_have_text(first)
            assert await host.look.accessibility_problems() == []
            await host.look.screenshot("run-live")
            seen.set()
            await expect(view.locator("details", has_text="Result").locator(".text")).to_have_text(first + second)
            await expect(view.locator(".run-head .badge")).to_have_text("completed")
            await expect(view.get_by_role("status")).to_have_text("Run completed")
        assert api.count("GET /runs/r1/stream") == 1


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        pytest.param(
            "create_run", {"interaction": INTERACTION, "data": {"topic": "pages", "words": 9}}, id="create_run"
        ),
        pytest.param("stream_run", {"run_id": "r1"}, id="stream_run"),
    ],
)
async def test_a_run_is_shown_word_by_word_while_its_call_is_not_answered(
    browser: Browser, script: str, tmp_path: Path, tool: str, arguments: dict[str, Any]
) -> None:
    text, seen, started = "The answer of the call comes later.", anyio.Event(), anyio.Event()
    # `run` has the data of the call, its fields in another order; `other` is an older run with other data.
    run = {"id": "r1", "status": "created", "parameters": {"words": 9, "topic": "pages"}, "created_at": NOW}
    other = {**run, "id": "r0", "status": "processing", "parameters": {"words": 8, "topic": "pages"}}

    def current() -> dict[str, Any]:
        if seen.is_set():
            return {**run, "status": "completed", "result": text}
        return {**run, "status": "processing" if started.is_set() else "created"}

    async def stream(request: Request) -> Response:
        started.set()
        return await events(chunk(text), seen, CLOSE)(request)

    async def read(request: Request) -> Response:
        return await reply(current())(request)

    async def search(request: Request) -> Response:
        return await reply([other, current()] if started.is_set() else [other])(request)

    replies: Replies = {
        "POST /runs": reply(run),
        "POST /runs/search": search,
        "GET /runs/r0": reply(other),
        "GET /runs/r1": read,
        "GET /runs/r1/stream": stream,
    }
    config = tmp_path / "config.json"
    async with upstream.serving(replies) as api:
        settings = {"base_url": f"{api.url}/api/v1", "auth": {"value": upstream.TOKEN}}
        config.write_text(json.dumps({"api": settings}), encoding="utf-8")
        command = ("-m", "runs_mcp", "serve", "--config", str(config))
        async with serving_http(command) as server, hosting(browser, server, script) as host:
            await host.connect("auto")
            await host.look.page.evaluate("([tool, args]) => { host.show(tool, args) }", [tool, arguments])
            view = host.look.view
            await expect(view.get_by_role("log", name="Text so far")).to_have_text(text)
            await expect(view.locator(".elapsed")).to_contain_text(f"{len(text)} characters")
            await host.look.screenshot(f"run-live-{tool}")
            seen.set()
            await expect(view.locator(".run-head .badge")).to_have_text("completed")
            await expect(view.locator("details", has_text="Result").locator(".text")).to_have_text(text)
        assert api.count("GET /runs/r1/stream") == 1
        assert api.count("GET /runs/r0/stream") == 0


async def test_opening_a_created_run_does_not_start_it(host: Host) -> None:
    listed = await call(host.client, "list_runs", status="created", limit=1)
    run_id = listed.structured["runs"][0]["id"]
    await host.show("get_run", {"run_id": run_id})
    await expect(host.look.view.get_by_text("Created, and not started yet.")).to_be_visible()
    for _ in range(2):
        await host.look.page.wait_for_event("requestfinished")
    assert (await call(host.client, "get_run", run_id=run_id)).structured["status"] == "created"


async def test_contents_of_runs_are_shown_as_text(host: Host) -> None:
    run_id = await host.create(interaction="SummarizeText", data={"text": HOSTILE}, tags=[HOSTILE])
    failed = await host.create(interaction="AlwaysFails", data={"code": HOSTILE, "message": HOSTILE})
    view = host.look.view
    for tool, arguments in (
        ("get_run", {"run_id": run_id}),
        ("get_run", {"run_id": failed}),
        ("list_runs", {"limit": 5}),
        ("find_runs", {"query": {"id": {"$in": [run_id, failed]}}}),
    ):
        await host.show(tool, arguments)
        await expect(view.get_by_text("<img src=x onerror").first).to_be_visible()
        assert await host.look.frame.title() != "owned"
        assert await host.look.frame.evaluate("document.querySelectorAll('img, body script').length") == 0


async def test_contents_of_compared_runs_and_of_causes_are_shown_as_text(host: Host) -> None:
    failure = {"interaction": "AlwaysFails", "data": {"code": HOSTILE, "message": HOSTILE}}
    for tags in ([HOSTILE], ["other"]):
        await host.create(**failure, tags=tags)
    view = host.look.view
    await host.show("list_runs", {"interaction": "AlwaysFails"})
    await expect(view.get_by_role("region", name="Failures by cause")).to_contain_text(HOSTILE)
    for place in (0, 1):
        await view.get_by_role("checkbox").nth(place).check()
    await view.get_by_role("button", name="Compare", exact=True).click()
    await expect(view.get_by_role("region", name="Differences")).to_contain_text(HOSTILE)
    assert await host.look.frame.title() != "owned"
    assert await host.look.frame.evaluate("document.querySelectorAll('img, body script').length") == 0


async def test_a_host_that_saves_files_is_given_exports_without_formulas(host: Host) -> None:
    formula = '=HYPERLINK("https://example.com")'
    await host.create(interaction="AlwaysFails", data={"code": "odd", "message": formula})
    await host.show("search_runs", {"interaction": "AlwaysFails"}, capabilities={"serverTools": {}, "downloadFile": {}})
    await host.look.view.get_by_role("button", name="Export as CSV").click()
    await host.look.page.wait_for_function("window.saved")
    [content] = await host.look.page.evaluate("saved")
    assert content["resource"]["mimeType"] == "text/csv"
    messages = [row["error_message"] for row in csv.DictReader(content["resource"]["text"].splitlines())]
    assert f"'{formula}" in messages
    await host.show("search_runs", {"interaction": "AlwaysFails"})
    await expect(host.look.view.get_by_role("heading", name="Newest runs")).to_be_visible()
    await expect(host.look.view.get_by_role("group", name="Export")).to_have_count(0)


async def test_hidden_characters_are_written_out_on_pages(host: Host) -> None:
    tag = "invoice\u202efdp.exe"
    run_id = await host.create(interaction="SummarizeText", data={"text": tag}, tags=[tag])
    for tool, arguments in (("get_run", {"run_id": run_id}), ("list_runs", {"limit": 5})):
        await host.show(tool, arguments)
        await expect(host.look.view.get_by_text("invoice<U+202E>fdp.exe").first).to_be_visible()
    assert "\u202e" not in await host.look.frame.evaluate("document.body.innerText")


async def test_the_hosts_theme_and_colours_win_and_change_at_once(host: Host) -> None:
    styles = {"variables": {"--color-background-primary": "rgb(1, 2, 3)"}}
    await host.show("compute_run_facets", {}, context={"theme": "dark", "styles": styles})
    root = host.look.view.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    await expect(root).to_have_css("background-color", "rgb(1, 2, 3)")
    await host.look.page.evaluate("host.change({ theme: 'light' })")
    await expect(root).to_have_attribute("data-theme", "light")
    await expect(root).to_have_css("color-scheme", "light")


async def test_full_screen_is_requested_if_the_host_supports_it(host: Host) -> None:
    await host.show("compute_run_facets", {})
    await host.look.view.get_by_role("button", name="Full screen").click()
    await host.look.page.wait_for_function("window.displayMode === 'fullscreen'")
    await host.show("compute_run_facets", {}, context={"availableDisplayModes": ["inline"]})
    await expect(host.look.view.get_by_role("heading", name="By value")).to_be_visible()
    await expect(host.look.view.get_by_role("button", name="Full screen")).not_to_be_visible()


async def test_a_page_shows_the_answer_alone_in_a_host_without_calls_from_pages(host: Host) -> None:
    view = host.look.view
    await host.show("compute_run_facets", {}, **ALONE)
    await expect(view.get_by_role("region", name="Status")).to_contain_text("completed")
    await expect(view.get_by_role("button", name="completed")).to_have_count(0)
    answer = await host.show("list_runs", {"limit": 3}, **ALONE)
    await expect(view.locator(".run-row")).to_have_count(3)
    await host.show("get_run", {"run_id": answer["structuredContent"]["runs"][0]["id"]}, **ALONE)
    await expect(view.get_by_role("heading", name="Parameters")).to_be_visible()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        pytest.param("get_run", {"run_id": "0" * 24}, id="run viewer"),
        pytest.param("search_runs", {"start": "yesterday"}, id="dashboard"),
    ],
)
async def test_a_failed_call_shows_the_error_of_the_server(host: Host, tool: str, arguments: dict[str, Any]) -> None:
    answer = await host.show(tool, arguments)
    await expect(host.look.view.get_by_role("alert")).to_have_text(answer["content"][0]["text"])


async def test_a_cancelled_call_is_shown_as_cancelled(host: Host) -> None:
    await host.show("get_run", {"run_id": "0" * 24})
    await host.look.page.evaluate("host.cancel()")
    await expect(host.look.view.get_by_role("alert")).to_have_text("The call was cancelled.")


async def test_a_field_that_was_cut_can_be_read_whole(host: Host) -> None:
    run_id = await host.create(interaction="SlowWriter", data={"chunks": 4_000, "delay_ms": 0})
    await host.show("get_run", {"run_id": run_id})
    result = host.look.view.locator("details", has_text="Result").first
    await expect(result).to_contain_text("characters cut")
    await result.get_by_role("button", name="Show the whole").click()
    await expect(result).not_to_contain_text("characters cut")
    await expect(result).to_contain_text("word2000 ")


async def test_the_runs_of_a_batch_are_listed_and_open(host: Host) -> None:
    inputs = [{"text": "I love it."}, {"text": "I hate it."}, {"words": "of no use"}]
    await host.show("create_run", {"interaction": "ClassifySentiment", "inputs": inputs})
    view = host.look.view
    await expect(view.locator(".runs > li")).to_have_count(3)
    await expect(view.locator(".runs > li").nth(2)).to_contain_text("input 3")
    await view.get_by_role("button", name=re.compile("completed")).nth(1).click()
    await expect(view.locator("details", has_text="Result").first).to_contain_text("negative")
    await view.get_by_role("button", name="All runs").click()
    await expect(view.locator(".runs > li").nth(1).get_by_role("button")).to_be_focused()


async def test_a_page_that_is_torn_down_stops_asking(host: Host) -> None:
    await host.show("create_run", {**slow_writer(chunks=500), "wait": False})
    await expect(host.look.view.get_by_role("log")).to_contain_text("word2 ")
    assert await host.look.page.evaluate("host.teardown()") == {}
    asked = len(host.look.asked)
    await host.create(**slow_writer(chunks=25))
    assert len(host.look.asked) == asked, "unchanged after a second"


def slow_writer(*, chunks: int) -> dict[str, Any]:
    """A run that writes 25 words a second."""
    return {"interaction": "SlowWriter", "data": {"chunks": chunks, "delay_ms": 40}}
