"""Completion of the arguments of prompts and the variables of templates."""

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, PromptReference, ResourceTemplateReference

from tests import upstream
from tests.calls import call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import reply

pytestmark = pytest.mark.anyio

Reference = PromptReference | ResourceTemplateReference
COMPARE = PromptReference(type="ref/prompt", name="compare_models")
RUN = ResourceTemplateReference(type="ref/resource", uri="runs://{run_id}")
PART = ResourceTemplateReference(type="ref/resource", uri="runs://{run_id}/{part}")


async def completed(
    client: Client, reference: PromptReference | ResourceTemplateReference, name: str, value: str
) -> list[str]:
    result = await client.complete(reference, {"name": name, "value": value})
    return result.completion.values


async def test_an_interaction_is_completed_by_name_the_beginning_first(client: Client) -> None:
    assert await completed(client, COMPARE, "interaction", "co") == ["ContractReview", "ExtractContacts"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("model", "gpt-4o", {"gpt-4o", "gpt-4o-mini"}, id="model"),
        pytest.param("environment", "bed", {"Bedrock EU"}, id="environment"),
        pytest.param("status", "fa", {"failed"}, id="status"),
        pytest.param("tag", "night", {"nightly"}, id="tag"),
        pytest.param("colour", "r", set(), id="nothing known"),
    ],
)
async def test_values_that_runs_have_used_are_offered(
    client: Client, name: str, value: str, expected: set[str]
) -> None:
    assert set(await completed(client, COMPARE, name, value)) == expected


async def test_run_ids_are_those_of_the_newest_runs(client: Client) -> None:
    newest = [run["id"] for run in (await call(client, "list_runs", limit=50)).structured["runs"]]
    assert await completed(client, RUN, "run_id", "") == newest
    assert newest[7] in await completed(client, RUN, "run_id", newest[7][:6])


async def test_the_parts_of_a_run_are_completed(client: Client) -> None:
    assert await completed(client, PART, "part", "p") == ["parameters", "prompt"]


async def test_an_api_that_fails_completes_nothing(connect: Connect) -> None:
    replies = {"GET /runs/filter-options/model": reply({}, 500)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        assert await completed(client, COMPARE, "model", "g") == []


@pytest.mark.parametrize(
    "reference",
    [
        PromptReference(type="ref/prompt", name="nope"),
        ResourceTemplateReference(type="ref/resource", uri="runs://{nope}"),
    ],
)
async def test_an_unknown_prompt_or_template_is_refused(client: Client, reference: Reference) -> None:
    with pytest.raises(MCPError, match="Unknown") as refused:
        await client.complete(reference, {"name": "model", "value": ""})
    assert refused.value.code == INVALID_PARAMS
