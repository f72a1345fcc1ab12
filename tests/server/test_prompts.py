"""Prompts and the files that define them."""

import re
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, TextContent

from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config, ServerSettings
from runs_mcp.server.prompts.prompt_file import directory, load
from runs_mcp.server.tools import OPERATIONS
from tests.conftest import Connect

PROMPTS = list(load(directory()))


@pytest.mark.anyio
async def test_every_file_is_a_prompt_with_title_description_and_arguments(client: Client) -> None:
    offered = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
    assert set(offered) == {
        "debug_failed_run",
        "compare_models",
        "report_on_period",
        "find_similar_runs",
        "run_and_check",
    }
    for prompt in offered.values():
        assert prompt.title
        assert prompt.description
        assert all(argument.description for argument in prompt.arguments or [])


@pytest.mark.anyio
async def test_arguments_are_filled_in_and_defaults_stand_for_the_rest(client: Client) -> None:
    result = await client.get_prompt("compare_models", {"interaction": "ContractReview"})
    [message] = result.messages
    assert isinstance(message.content, TextContent)
    assert "the interaction `ContractReview` since 30d" in message.content.text
    assert "$" not in message.content.text
    assert "Switched off" not in message.content.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        pytest.param(ServerSettings(read_only=True), "create_run", id="read-only"),
        pytest.param(ServerSettings(tools=["create_run", "get_run"]), "list_interactions, stream_run", id="some tools"),
    ],
)
async def test_a_prompt_ends_with_the_tools_it_names_that_are_not_offered(
    connect: Connect, config: Config, settings: ServerSettings, missing: str
) -> None:
    arguments = {"interaction": "SummarizeText", "input": "find_runs"}
    async with connect(config.model_copy(update={"server": settings})) as client:
        [message] = (await client.get_prompt("run_and_check", arguments)).messages
    assert isinstance(message.content, TextContent)
    assert message.content.text.endswith(f"Switched off here: {missing}. Do without, and say what you left out.")


@pytest.mark.anyio
@pytest.mark.parametrize("empty", ["", "  "], ids=["no text", "spaces"])
async def test_an_empty_argument_gets_its_default(client: Client, empty: str) -> None:
    unset = await client.get_prompt("compare_models", {"interaction": "ContractReview"})
    assert await client.get_prompt("compare_models", {"interaction": "ContractReview", "since": empty}) == unset


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        pytest.param("nope", {}, "Unknown prompt: nope", id="unknown prompt"),
        pytest.param("compare_models", {}, "interaction", id="argument missing"),
        pytest.param("compare_models", {"interaction": " "}, "interaction", id="required argument empty"),
        pytest.param("compare_models", {"interaction": "X", "colour": "red"}, "no argument colour", id="unknown"),
    ],
)
async def test_a_prompt_that_cannot_be_rendered_names_the_reason(
    client: Client, name: str, arguments: dict[str, str], says: str
) -> None:
    with pytest.raises(MCPError) as refused:
        await client.get_prompt(name, arguments)
    assert refused.value.code == INVALID_PARAMS
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("front_matter", "says"),
    [
        pytest.param("title: [", "its front matter is not YAML", id="no YAML"),
        pytest.param("title: A title\ndescription: What for", "name: Field required.", id="no name"),
        pytest.param(
            "name: a\ntitle: b\ndescription: c\narguments: [{name: run, description: d}]",
            "declared and used arguments differ: run, run_id.",
            id="an argument that the text has not",
        ),
    ],
)
def test_an_invalid_prompt_file_is_named_with_its_error(tmp_path: Path, front_matter: str, says: str) -> None:
    (tmp_path / "own.md").write_text(f"---\n{front_matter}\n---\nSee `$run_id`.\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        list(load(tmp_path))
    assert str(refused.value).startswith("own.md is no prompt: ")
    assert says in str(refused.value)


@pytest.mark.anyio
async def test_an_invalid_prompt_file_is_named_when_prompts_are_listed(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.md").touch()
    monkeypatch.setattr("runs_mcp.server.prompts.prompt_file.directory", lambda: tmp_path)
    with pytest.raises(MCPError, match=r"own\.md is no prompt: name: Field required\."):
        await client.list_prompts()


@pytest.mark.parametrize("prompt", PROMPTS, ids=[prompt.name for prompt in PROMPTS])
def test_prompts_name_only_existing_tools(prompt: object) -> None:
    text = str(getattr(prompt, "text", ""))
    tools = {operation.name for operation in OPERATIONS}
    named = set(re.findall(r"\b(?:list|get|create|stream|search|find|compute)_\w+", text))
    assert named
    assert named <= tools
