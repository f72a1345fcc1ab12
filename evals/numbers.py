"""Ask this server and the server that FastMCP generates the questions about numbers, and compare the costs.

The runs come from a separate sandbox with another seed than the usual 200 runs. The correct answers are computed from
the lists of the API, by code that shares nothing with the server.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import click
import httpx
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult, TextContent

from benchmarks.peers import DOCUMENT, FASTMCP, SERVERS
from evals.number_questions import QUESTIONS, NumberQuestion, Run, created
from evals.questions import Question
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import DEMO_KEY, Sandbox, SandboxOptions, running
from runs_mcp.server import build_server
from tests.calls import PATIENT
from tests.clients.interpreter import python_with

RUNS = 5_000
SEED = 11
PAGE = 1_000
TIMEOUT_S = 120.0
"""Seconds for a request: a sandbox creates its runs at the first, which takes long on a busy machine."""
GENERATED_SLICE = timedelta(days=5)
"""A span of creation time whose runs fit a page, since the generated `find` has no offset."""
MAX_CALLS = 2
MAX_CHARS = 3_000


@dataclass(slots=True)
class Cost:
    """The number of calls for an answer, and the characters of their arguments and results."""

    calls: int = 0
    chars: int = 0

    def count(self, arguments: dict[str, Any], result: CallToolResult) -> None:
        """Count a call."""
        self.calls += 1
        text = "".join(block.text for block in result.content if isinstance(block, TextContent))
        self.chars += len(json.dumps(arguments)) + len(text)


@dataclass(frozen=True, slots=True)
class Score:
    """The answer to a question, and its cost on each server."""

    id: str
    right: bool
    answer: str
    ours: Cost
    generated: Cost = field(default_factory=Cost)


@click.command()
@click.option("--generated/--no-generated", default=True, help="Compare with the server that FastMCP generates.")
def main(*, generated: bool) -> None:
    """Ask the questions about numbers. Exit code 1: an answer was wrong or cost too much."""
    scores = anyio.run(score_all, generated)
    click.echo(table(scores))
    sys.exit(0 if all(score.right and within_bounds(score.ours) for score in scores) else 1)


async def score_all(generated: bool) -> list[Score]:  # noqa: FBT001 - anyio passes positional arguments
    """Return the score of each question."""
    async with running(SandboxOptions(seed_runs=RUNS, seed=SEED)) as sandbox:
        runs = await every_run(sandbox)
        config = Config(api=sandbox_api(sandbox.url, ApiSettings()))
        async with Client(build_server(config).mcp, client_info=PATIENT) as client:
            scores = [await _score(client, question, runs) for question in QUESTIONS]
        if generated:
            async with generated_server(sandbox) as client:
                for question, score in zip(QUESTIONS, scores, strict=True):
                    await read_all(client, question, runs, score.generated)
    return scores


def within_bounds(cost: Cost) -> bool:
    """Return true if an answer did not exceed the maximum of calls and characters."""
    return cost.calls <= MAX_CALLS and cost.chars <= MAX_CHARS


def table(scores: Sequence[Score]) -> str:
    """Return the scores as a table."""
    wrong = [f"wrong: {score.id}: {score.answer}" for score in scores if not score.right]
    head = f"{'question':<20} {'right':>5} {'calls':>6} {'chars':>7}   {'generated: calls':>16} {'chars':>10}"
    rows = [_row(score.id, score.right, score.ours, score.generated) for score in scores]
    ours, generated = Cost(), Cost()
    for score in scores:
        for total, part in ((ours, score.ours), (generated, score.generated)):
            total.calls += part.calls
            total.chars += part.chars
    return "\n".join([*wrong, head, *rows, _row("all", sum(score.right for score in scores), ours, generated)])


async def every_run(sandbox: Sandbox) -> list[Run]:
    """Return all runs of a sandbox, read from its API page by page."""
    runs: list[Run] = []
    async with httpx.AsyncClient(base_url=sandbox.url, headers=await credential(sandbox), timeout=TIMEOUT_S) as api:
        while page := (await api.get("/api/v1/runs", params={"limit": PAGE, "offset": len(runs)})).json():
            runs += page
    return runs


async def credential(sandbox: Sandbox) -> dict[str, str]:
    """Return the headers that authenticate requests to the API."""
    async with httpx.AsyncClient(base_url=sandbox.url) as api:
        token = (await api.get("/auth/token", params={"token": DEMO_KEY})).json()["token"]
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def generated_server(sandbox: Sandbox) -> AsyncIterator[Client]:
    """Connect to the server that FastMCP generates from the API's description."""
    environment = {
        **os.environ,
        "API_URL": f"{sandbox.url}/api/v1",
        "API_AUTHORIZATION": (await credential(sandbox))["Authorization"],
    }
    command = [str(python_with(FASTMCP)), str(SERVERS / "generated.py"), str(DOCUMENT)]
    server = stdio_client(StdioServerParameters(command=command[0], args=command[1:], env=environment))
    async with Client(server, client_info=PATIENT) as client:
        yield client


async def read_all(client: Client, question: NumberQuestion, runs: Sequence[Run], cost: Cost) -> None:
    """Read, with the generated tools, the fields that an agent needs to compute the answer, and count the cost."""
    tools = (await client.list_tools()).tools
    find = next(tool.name for tool in tools if "find" in tool.name.lower())
    start = min(map(created, runs))
    newest = max(map(created, runs))
    while start <= newest:
        end = start + GENERATED_SLICE
        span = {"created_at": {"$gte": start.isoformat(), "$lt": end.isoformat()}}
        arguments = {"query": {**question.query, **span}, "limit": PAGE, "select": f"id {question.fields}"}
        # Not `call_tool`, which rejects results that violate the generated schema: references that are plain ids do.
        call = CallToolRequest(params=CallToolRequestParams(name=find, arguments=arguments))
        cost.count(arguments, await client.session.send_request(call, CallToolResult))
        start = end


async def _score(client: Client, question: NumberQuestion, runs: Sequence[Run]) -> Score:
    cost = Cost()

    async def tool(name: str, **arguments: Any) -> dict[str, Any]:
        result = await client.call_tool(name, arguments)
        cost.count(arguments, result)
        if result.is_error:
            raise LookupError(f"{name}: {result.content}")
        return result.structured_content or {}

    answer = await question.plan(tool)
    accepts: Callable[[Sequence[str]], bool] = lambda words: Question(  # noqa: E731 - one of several correct answers
        question.id, "number", question.text, words
    ).is_answered_by(answer)
    return Score(question.id, any(map(accepts, question.correct_answers(runs))), answer, cost)


def _row(label: str, right: object, ours: Cost, generated: Cost) -> str:
    return f"{label:<20} {right!s:>5} {ours.calls:>6} {ours.chars:>7,}   {generated.calls:>16} {generated.chars:>10,}"


if __name__ == "__main__":
    main()
