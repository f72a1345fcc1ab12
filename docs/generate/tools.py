"""The reference of tools in docs/tools.md, generated from the published tools, with calls that a sandbox answered."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mcp.client import Client
from mcp_types import TextContent, TextResourceContents
from mcp_types import Tool as PublishedTool

from docs.generate.schemas import default_of, type_of
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.sandbox import running
from runs_mcp.server import build_server
from runs_mcp.server.render.results import written_call
from runs_mcp.server.tools import MANAGE_OPERATIONS, OPERATIONS
from runs_mcp.server.tools.operation import Operation

SAMPLE_RUN, STARTED_RUN = "3bed2520a5ff6bac89812ca3", "RUN_ID"
"""The id of a run of every sandbox, and the placeholder for the id of the run that an earlier example started."""
SLOW = {"interaction": "SlowWriter", "data": {"chunks": 4, "delay_ms": 20}, "wait": False}


@dataclass(frozen=True, slots=True)
class Example:
    """A call, with the sentence that introduces it."""

    introduction: str
    arguments: dict[str, Any] = field(default_factory=dict)


EXAMPLES = {
    "list_runs": [Example("Values that all rows share are printed once:", {"interaction": "AlwaysFails", "limit": 2})],
    "get_run": [
        Example("Two of the large fields:", {"run_id": SAMPLE_RUN, "include": ["parameters", "result"]}),
        Example("Several runs, each with its own outcome:", {"run_ids": [SAMPLE_RUN, "nope"], "include": ["result"]}),
    ],
    "get_run_filter_options": [Example("Two environments with the same name:", {"field": "environment"})],
    "create_run": [
        Example(
            "With a request key, a repeated call returns the same run:",
            {"interaction": "ClassifySentiment", "data": {"text": "I love it"}, "request_key": "ticket-4711"},
        ),
        Example(
            "An ambiguous name, with a client that cannot ask a person:",
            {"interaction": "ClassifySentiment", "data": {"text": "I love it"}, "environment": "Staging"},
        ),
        Example(
            "A dry run:",
            {"interaction": "ClassifySentiment", "inputs": [{"text": "I love it"}, {}], "dry_run": True},
        ),
        Example("Without waiting for the run:", SLOW),
    ],
    "list_interactions": [
        Example("A line for each interaction; fields with `?` are optional:", {"tag": "text"}),
        Example("All details of an interaction:", {"interaction": "ClassifySentiment"}),
    ],
    "stream_run": [Example("The same run, to its end:", {"run_id": STARTED_RUN})],
    "search_runs": [
        Example("Full text and a filter:", {"query": "refund", "status": "completed", "limit": 2}),
        Example("The slowest runs:", {"sort": "-execution_time", "limit": 3}),
    ],
    "aggregate_runs": [
        Example("Two environments with the same name are two groups:", {"by": ["environment"]}),
        Example(
            "A condition, a measure to sort by, and a limit of groups:",
            {
                "where": {"execution_time": {"$gt": 2000}},
                "by": ["model", "interaction"],
                "measures": ["runs", "mean_tokens", "failure_rate"],
                "sort": "-mean_tokens",
                "limit": 3,
            },
        ),
    ],
    "find_runs": [
        Example(
            "A comparison, with three fields of each run:",
            {
                "query": {"error.code": "safety", "execution_time": {"$gt": 1000}},
                "select": ["status", "execution_time", "error.code"],
            },
        )
    ],
    "update_run": [
        Example(
            "Tags that a run has or lacks already stay as they are:",
            {"run_ids": [SAMPLE_RUN], "add_tags": ["reviewed"]},
        ),
    ],
    "delete_runs": [Example("Each run has an outcome of its own:", {"run_ids": [SAMPLE_RUN, "nope"]})],
    "compute_run_facets": [
        Example(
            "Two facets of the runs of an interaction:",
            {"interaction": "ContractReview", "facets": ["status", "models"]},
        )
    ],
}
RESOURCES = (
    f"runs://{SAMPLE_RUN}/result",
    f"runs://{SAMPLE_RUN}?path=/token_use",
    f"runs://{SAMPLE_RUN}/parameters?path=/text&offset=0&limit=20",
    f"runs://{SAMPLE_RUN}?path=/tags&limit=1",
)


async def document() -> str:
    """Return a section for each tool that is published by default."""
    return await _sections(OPERATIONS, Config(api=ApiSettings()))


async def changes() -> str:
    """Return a section for each tool of `server.manage`."""
    manage = {"api": {"edition": "vertesia"}, "server": {"manage": True}}
    return await _sections(MANAGE_OPERATIONS, Config.model_validate(manage))


async def _sections(operations: Sequence[Operation], config: Config) -> str:
    lines: list[str] = []
    async with _client(config) as client:
        started = ""
        for operation in operations:
            lines += [*_reference(operation.published, operation.endpoint)]
            for example in EXAMPLES[operation.name]:
                arguments = {
                    name: started if value == STARTED_RUN else value for name, value in example.arguments.items()
                }
                answer = await client.call_tool(operation.name, arguments)
                started = str((answer.structured_content or {}).get("id", started))
                text = "\n".join(block.text for block in answer.content if isinstance(block, TextContent))
                lines += ["", example.introduction, "", *_fenced(written_call(operation.name, arguments), text)]
            lines.append("")
    return "\n".join(lines).strip()


async def still_going() -> str:
    """Return a call that ends before its run does, with the progress that arrived until then."""
    arguments = {"interaction": "SlowWriter", "data": {"chunks": 2, "delay_ms": 10_000}}
    notifications: list[str] = []

    async def record(progress: float, total: float | None, message: str | None) -> None:
        del total
        notifications.append(f"progress {progress:g}: {message or ''}")

    async with _client(Config(streaming=StreamingSettings(max_wait_s=2))) as client:
        answer = await client.call_tool("create_run", arguments, progress_callback=record)
    text = "\n".join(block.text for block in answer.content if isinstance(block, TextContent))
    return "\n".join(_fenced(written_call("create_run", arguments), "\n".join([*notifications, "", text])))


async def resources() -> str:
    """Return a table of resources with their contents."""
    lines = ["| resource | content |", "|---|---|"]
    async with _client(Config()) as client:
        for uri in RESOURCES:
            [content] = (await client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            lines.append(f"| `{uri}` | `{content.text}` |")
    return "\n".join(lines)


@asynccontextmanager
async def _client(config: Config) -> AsyncIterator[Client]:
    async with running() as sandbox:
        api = sandbox_api(sandbox.url, config.api)
        async with Client(build_server(config.model_copy(update={"api": api})).mcp) as client:
            yield client


def _reference(tool: PublishedTool, endpoint: str) -> Iterator[str]:
    changes = not (tool.annotations and tool.annotations.read_only_hint)
    yield from (f"### {tool.name}", "", f"`{endpoint}`{', changes something' if changes else ''}. {tool.description}")
    yield from ("", "| parameter | type | default | description |", "|---|---|---|---|")
    for name, schema in tool.input_schema["properties"].items():
        default = "*needed*" if name in tool.input_schema.get("required", ()) else default_of(schema.get("default"))
        yield f"| `{name}` | {type_of(schema)} | {default} | {schema.get('description', '')} |"


def _fenced(call: str, text: str) -> Iterator[str]:
    yield from ("````text", call, "", *(line.rstrip() for line in text.splitlines()), "````")
