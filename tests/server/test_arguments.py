"""Invalid arguments: each is refused with a message that names the argument, and nothing is sent."""

import pytest

from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.server.tools import OPERATIONS
from runs_mcp.server.tools.arguments import UnknownArgumentError
from tests.calls import call
from tests.conftest import Connect

pytestmark = pytest.mark.anyio

NOBODY = {"base_url": "http://127.0.0.1:9/api/v1", "auth": {"value": "token"}, "max_retries": 0}
NOT_AN_ID = "not a run id (up to 200 letters, digits and the characters - _ . : @, beginning with a letter or digit)"


@pytest.mark.parametrize(
    ("tool", "arguments", "names", "says"),
    [
        pytest.param("list_runs", {"limit": 0}, "limit", "greater than or equal to 1 (got 0)", id="limit 0"),
        pytest.param("list_runs", {"limit": 101}, "limit", "less than or equal to 100 (got 101)", id="limit 101"),
        pytest.param("list_runs", {"limit": "many"}, "limit", "valid integer", id="limit as text"),
        pytest.param("list_runs", {"offset": -1}, "offset", "greater than or equal to 0", id="negative offset"),
        pytest.param("list_runs", {"status": "done"}, "status", "'completed' or 'failed'", id="unknown status"),
        pytest.param("list_runs", {"limits": 5}, "limits", "Did you mean `limit`?", id="misspelled"),
        pytest.param("list_runs", {"zzz": 5}, "zzz", "It takes environment, interaction, limit", id="unheard of"),
        pytest.param("list_runs", {"start": "24h"}, "start", "Tools with `start`: search_runs, ", id="of other tools"),
        pytest.param("list_runs", {"tags": ["a"]}, "tags", "Did you mean `tag`?", id="nearly equal, and of others"),
        pytest.param("find_runs", {"filter": {}}, "filter", "It takes limit, query, select. Nothing", id="of no tool"),
        pytest.param("list_runs", {"parent": True}, "parent", "takes the id of a parent, or false", id="any parent"),
        pytest.param("list_runs", {"parent": 5}, "parent", "takes the id of a parent, or false", id="a numeric parent"),
        pytest.param(
            "list_runs", {"parent": "true"}, "parent", "takes the id of a parent, or false", id="true as text"
        ),
        pytest.param(
            "aggregate_runs",
            {"model": ["gpt-4o", "claude-3-haiku"]},
            "model",
            'takes one value, not 2; a MongoDB filter takes several: {"modelId": {"$in": […]}}',
            id="two models",
        ),
        pytest.param(
            "search_runs",
            {"status": ["failed", "created"]},
            "status",
            'takes one value, not 2; a MongoDB filter takes several: {"status": {"$in": […]}}',
            id="two statuses",
        ),
        pytest.param("create_run", {"inputs": [{}] * 51}, "inputs", "at most 50 items, not 51", id="51 inputs"),
        pytest.param(
            "search_runs",
            {"start": "2026-11-27", "end": "2026-11-27"},
            "end",
            "(2026-11-27 00:00); for one day, end is 2026-11-28.",
            id="a single day",
        ),
        pytest.param("search_runs", {"start": "yesterday"}, "start", "seconds or milliseconds; it is 2", id="a word"),
        pytest.param("get_run", {"run_id": "a/b"}, "run_id", NOT_AN_ID, id="id with a slash"),
        pytest.param("get_run", {"run_id": ".."}, "run_id", NOT_AN_ID, id="id that climbs"),
        pytest.param("get_run", {"run_id": "../auth/token?token=x"}, "run_id", NOT_AN_ID, id="id that is a path"),
        pytest.param("get_run", {"run_id": "a?b"}, "run_id", NOT_AN_ID, id="id with a query"),
        pytest.param("get_run", {"run_id": "a b"}, "run_id", NOT_AN_ID, id="id with a space"),
        pytest.param("get_run", {"run_id": ""}, "run_id", "Give exactly one of", id="empty id"),
        pytest.param("stream_run", {}, "run_id", "Field required", id="no id"),
        pytest.param("get_run", {"run_id": "r1", "include": ["all"]}, "include", "'result'", id="unknown part"),
        pytest.param("stream_run", {"run_id": "r#1"}, "run_id", NOT_AN_ID, id="id with a fragment"),
        pytest.param("search_runs", {"start": "yesterdayish"}, "start", "neither an ISO 8601", id="malformed date"),
        pytest.param("search_runs", {"end": "2026-13-45"}, "end", "neither an ISO 8601", id="impossible date"),
        pytest.param("find_runs", {"query": "status"}, "query", "be a JSON object", id="filter that is no object"),
        pytest.param("find_runs", {}, "query", "Field required", id="no filter"),
        *(
            pytest.param(tool, {"parent": none}, "parent", "list_runs(parent=false)", id=f"no parent, {tool}, {none}")
            for tool in ("search_runs", "compute_run_facets", "aggregate_runs")
            for none in (False, "false", ["false"])
        ),
        pytest.param("compute_run_facets", {"facets": ["colour"]}, "facets", "'models'", id="unknown facet"),
        pytest.param("compute_run_facets", {"facets": ["finish_reason"]}, "facets", "composable", id="other edition"),
        pytest.param("get_run_filter_options", {"field": "../x"}, "field", "match pattern", id="field that is a path"),
        pytest.param("create_run", {"interaction": "i", "data": "x"}, "data", "be a JSON object", id="data as text"),
        pytest.param(
            "create_run",
            {"interaction": "i", "wait": False, "stream": False},
            "wait",
            "need `stream`",
            id="no waiting",
        ),
    ],
)
async def test_an_invalid_argument_is_rejected_by_name_and_nothing_is_sent(
    connect: Connect, tool: str, arguments: dict[str, object], names: str, says: str
) -> None:
    # No server listens at this address: a request would be answered with a failure to connect.
    async with connect(Config(api=ApiSettings.model_validate(NOBODY))) as client:
        answer = await call(client, tool, **arguments)
    assert answer.failed
    assert answer.structured == {}
    assert f"`{names}`" in answer.text
    assert says in answer.text
    assert answer.text.endswith("Nothing was sent.")


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        pytest.param({"tags": "a"}, ["a"], id="a bare string"),
        pytest.param({"tags": '["a", "b"]'}, ["a", "b"], id="JSON in a string"),
    ],
)
async def test_lists_are_accepted_as_models_write_them(
    connect: Connect, arguments: dict[str, str], sent: list[str]
) -> None:
    async with connect(Config(api=ApiSettings.model_validate(NOBODY))) as client:
        answer = await call(client, "search_runs", **arguments)
    assert answer.failed
    assert "cannot be reached" in answer.text, f"{sent} was sent"


TOOLS = {one.name: one for one in OPERATIONS}


@pytest.mark.parametrize(
    ("tool", "given", "cleaned"),
    [
        pytest.param("list_runs", {"model": "", "tag": None, "status": "null"}, {}, id="unset texts"),
        pytest.param("search_runs", {"tags": [], "parent": "null", "limit": ""}, {}, id="unset lists"),
        pytest.param("create_run", {"interaction": "i", "data": {}, "config": {}}, {"interaction": "i"}, id="objects"),
        pytest.param(
            "create_run", {"interaction": "i", "wait": False}, {"interaction": "i", "wait": False}, id="false"
        ),
        pytest.param("list_runs", {"offset": 0}, {"offset": 0}, id="zero"),
        pytest.param("find_runs", {"query": {}}, {"query": {}}, id="a required object"),
        pytest.param("search_runs", {"query": "null"}, {"query": "null"}, id="null as free text"),
        pytest.param("list_runs", {"tag": "[1]"}, {"tag": "[1]"}, id="a text that happens to be JSON"),
        pytest.param("list_runs", {"tag": '{"a": 1}'}, {"tag": '{"a": 1}'}, id="another one"),
        pytest.param("find_runs", {"query": ' \n{"a": 1}'}, {"query": {"a": 1}}, id="an object as text"),
        pytest.param("search_runs", {"tags": '["a", "b"]'}, {"tags": ["a", "b"]}, id="a list as text"),
        pytest.param("search_runs", {"tags": "[a"}, {"tags": "[a"}, id="a tag that begins like a list"),
        pytest.param("find_runs", {"query": "[1]"}, {"query": "[1]"}, id="a list for an object"),
        pytest.param(
            "search_runs",
            {"status": ["failed"], "model": ["gpt-4o"]},
            {"status": "failed", "model": "gpt-4o"},
            id="lists of one value, as list_runs takes them",
        ),
        pytest.param("search_runs", {"model": ["a", "b"]}, {"model": ["a", "b"]}, id="a list of two for a text"),
        *(
            pytest.param(
                tool,
                {"toolCallId": "c1", "sessionId": "s", "chatInput": "hi", "action": "a", "_x": 1},
                {},
                id=f"of n8n, {tool}",
            )
            for tool in TOOLS
        ),
    ],
)
def test_arguments_are_accepted_as_models_and_hosts_write_them(
    tool: str, given: dict[str, object], cleaned: dict[str, object]
) -> None:
    assert TOOLS[tool].clean(given) == cleaned


@pytest.mark.parametrize(("name", "nearest"), [("_limit", "limit"), ("_interactions", "interaction")])
def test_an_argument_of_a_host_that_resembles_a_parameter_is_refused(name: str, nearest: str) -> None:
    with pytest.raises(UnknownArgumentError, match=f"Did you mean `{nearest}`"):
        TOOLS["list_runs"].clean({name: 5})


def test_an_ignored_argument_is_logged_without_its_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        TOOLS["list_runs"].clean({"sessionId": "private"})
    assert "ignored the argument sessionId" in caplog.text
    assert "private" not in caplog.text
