"""The MCP Apps extension in the protocol: the pages, and the tools that name them; nothing else changes."""

import re
from collections.abc import AsyncIterator

import pytest
from mcp.client import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextResourceContents

from runs_mcp.config.settings import Config
from runs_mcp.server import build_server
from runs_mcp.server.ui import DASHBOARD, PAGES, RUN_VIEWER, document
from tests.calls import PATIENT, call

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras, pytest.mark.slow]

PAGE_OF = {
    "list_runs": DASHBOARD,
    "search_runs": DASHBOARD,
    "find_runs": DASHBOARD,
    "compute_run_facets": DASHBOARD,
    "aggregate_runs": DASHBOARD,
    "get_run": RUN_VIEWER,
    "create_run": RUN_VIEWER,
    "stream_run": RUN_VIEWER,
}
LOADS = re.compile(r"\b(src|href|action)=|url\(|@import|\bimport\b|https?://(?!www\.w3\.org/2000/svg)")
INTO_MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setHTML")


@pytest.fixture
async def host(config: Config, mode: str) -> AsyncIterator[Client]:
    """A client that declares support for pages."""
    declared = advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})
    async with Client(build_server(config).mcp, mode=mode, extensions=[declared], client_info=PATIENT) as connected:
        yield connected


async def test_the_server_announces_the_ui_extension(config: Config) -> None:
    """The server declares the extension from 2026-07-28 on; with older versions, hosts only read the tools."""
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        assert EXTENSION_ID in (client.server_capabilities.extensions or {})


async def test_tools_name_the_page_that_shows_their_answers(host: Client) -> None:
    tools = (await host.list_tools()).tools
    assert {tool.name: tool.meta["ui"]["resourceUri"] for tool in tools if tool.meta} == PAGE_OF


@pytest.mark.parametrize("uri", [DASHBOARD, RUN_VIEWER])
async def test_a_page_is_a_resource_that_asks_for_nothing_from_elsewhere(host: Client, uri: str) -> None:
    [content] = (await host.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == APP_MIME_TYPE
    assert content.text.startswith("<!doctype html>")
    assert content.meta
    assert content.meta["ui"]["csp"] == {
        "connectDomains": [],
        "resourceDomains": [],
        "frameDomains": [],
        "baseUriDomains": [],
    }


async def test_pages_are_not_listed_among_the_runs(host: Client) -> None:
    assert not any(str(one.uri).startswith("ui://") for one in (await host.list_resources()).resources)


async def test_an_unknown_page_is_an_error(host: Client) -> None:
    with pytest.raises(MCPError):
        await host.read_resource("ui://runs-mcp/nowhere.html")


async def test_answers_are_the_same_for_clients_that_show_pages_and_those_that_do_not(
    client: Client, host: Client
) -> None:
    async def answers(one: Client) -> list[CallToolResult]:
        newest = await call(one, "list_runs", limit=3)
        read = await call(one, "get_run", run_id=newest.structured["runs"][0]["id"])
        counted = await call(one, "compute_run_facets")
        return [answer.result for answer in (newest, read, counted)]

    plain, shown = await answers(client), await answers(host)
    assert [(one.content, one.structured_content) for one in plain] == [
        (one.content, one.structured_content) for one in shown
    ]


@pytest.mark.parametrize("file", [page.file for page in PAGES])
def test_a_page_is_complete_and_shows_values_as_text(file: str) -> None:
    html = document(file)
    assert not LOADS.search(html)
    assert not INTO_MARKUP.search(html)
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in html
    assert "unsafe" not in html
