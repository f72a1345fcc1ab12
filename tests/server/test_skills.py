"""The Skills extension: skills are listed, verified by digest, size and front matter, and read as resources."""

import re
from hashlib import sha256
from typing import Any

import frontmatter
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, Request, TextResourceContents
from pydantic import TypeAdapter

from runs_mcp.server.prompts.prompt_file import directory, load
from runs_mcp.server.tools import OPERATIONS
from tests.conftest import MODERN

pytestmark = pytest.mark.anyio
NAMES = {
    *("work-with-runs", "debug-failed-run", "compare-models"),
    *("report-on-period", "find-similar-runs", "run-and-check"),
}


async def ask(client: Client, method: str, **params: Any) -> dict[str, Any]:
    """Return the raw result of a request of the extension."""
    request = Request[dict[str, Any], str](method=method, params=params)
    result: TypeAdapter[Any] = TypeAdapter(dict[str, Any])
    return dict(await client.session.send_request(request, result))


async def read(client: Client, uri: str) -> TextResourceContents:
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content


@pytest.mark.both_eras
async def test_every_skill_is_listed_as_its_file_is(client: Client) -> None:
    listed = await ask(client, "skills/list")
    assert {one["frontmatter"]["name"] for one in listed["skills"]} == NAMES
    for entry in listed["skills"]:
        assert entry["uri"] == f"skill://{entry['frontmatter']['name']}/SKILL.md"
        content = await read(client, entry["uri"])
        raw = content.text.encode()
        file = {"uri": entry["uri"], "digest": f"sha256:{sha256(raw).hexdigest()}", "size": len(raw)}
        assert entry["resources"] == [file]
        assert content.mime_type == "text/markdown"
        front_matter, body = frontmatter.parse(content.text)
        assert front_matter == entry["frontmatter"]
        assert len(str(front_matter["description"])) <= 1_024
        assert "$" not in body
        assert await ask(client, "skills/get", uri=entry["uri"]) == {
            **{name: value for name, value in listed.items() if name != "skills"},
            "skill": entry,
        }


@pytest.mark.both_eras
async def test_skills_are_listed_as_resources_once_after_the_first_runs(client: Client) -> None:
    first = await client.list_resources()
    assert first.resources[0].uri.startswith("runs://")
    entries = {skill["uri"]: skill["frontmatter"] for skill in (await ask(client, "skills/list"))["skills"]}
    listed = {one.uri: one for one in first.resources if one.uri.startswith("skill://")}
    assert {uri: {"name": one.name, "description": one.description} for uri, one in listed.items()} == entries
    assert {one.mime_type for one in listed.values()} == {"text/markdown"}
    second = await client.list_resources(cursor=first.next_cursor)
    assert {one.uri.partition(":")[0] for one in second.resources} == {"runs"}


@pytest.mark.parametrize("mode", [MODERN])
async def test_skills_are_declared_and_cacheable(client: Client) -> None:
    assert client.server_capabilities.extensions is not None
    assert client.server_capabilities.extensions["io.modelcontextprotocol/skills"] == {}
    listed = await ask(client, "skills/list")
    assert (listed["resultType"], listed["cacheScope"]) == ("complete", "public")
    assert listed["ttlMs"] > 0
    assert "io.modelcontextprotocol/serverInfo" in listed["_meta"]


@pytest.mark.both_eras
@pytest.mark.parametrize(
    ("method", "params"),
    [
        pytest.param("skills/get", {"uri": "skill://nope/SKILL.md"}, id="an unknown skill"),
        pytest.param("skills/get", {"uri": "skill://work-with-runs"}, id="a folder"),
        pytest.param("skills/get", {}, id="no skill"),
        pytest.param("skills/list", {"cursor": "x"}, id="an invalid cursor"),
    ],
)
async def test_an_unknown_skill_or_cursor_is_rejected(client: Client, method: str, params: dict[str, str]) -> None:
    with pytest.raises(MCPError) as refused:
        await ask(client, method, **params)
    assert refused.value.code == INVALID_PARAMS


async def test_the_overview_explains_every_tool(client: Client) -> None:
    text = (await read(client, "skill://work-with-runs/SKILL.md")).text
    assert set(re.findall(r"`([a-z]+_[a-z_]+)", text)) >= {operation.name for operation in OPERATIONS}


async def test_a_skill_of_a_prompt_names_its_inputs_and_when_to_use_it(client: Client) -> None:
    skill = await read(client, "skill://compare-models/SKILL.md")
    assert "- `<interaction>`: Name or id of the interaction" in skill.text
    assert "- since, `30d` unless asked otherwise: Period to include" in skill.text
    assert "A tool that you do not have was switched off for you; do without it." in skill.text
    assert all(prompt.when for prompt in load(directory()))
