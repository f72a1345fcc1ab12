"""Scripted agent that answers every question with tool calls; the suite runs without a model.

It reads the question from standard input and starts the server in the variable MCP_SERVER.
"""

import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

from evals.questions import questions
from tests.calls import PATIENT

Tool = Callable[..., Awaitable[dict[str, Any]]]
Plan = Callable[[Tool], Awaitable[object]]


def total(**filters: Any) -> Plan:
    """Count the runs that match the filters."""

    async def plan(tool: Tool) -> object:
        return (await tool("compute_run_facets", facets=["status"], **filters))["total"]

    return plan


def most(facet: str, *, unless: Sequence[str] = (), **filters: Any) -> Plan:
    """Find the most frequent value of a facet and its count."""

    async def plan(tool: Tool) -> object:
        counts = (await tool("compute_run_facets", facets=[facet], **filters))["facets"][facet]
        top = max((bucket for bucket in counts if _label(bucket) not in unless), key=lambda bucket: bucket["count"])
        return f"{_label(top)}: {top['count']}"

    return plan


def found(query: Mapping[str, Any], show: Callable[[list[dict[str, Any]]], object], *fields: str) -> Plan:
    """Find runs with a MongoDB filter, reading only the named fields, and format them with `show`."""

    async def plan(tool: Tool) -> object:
        selected = {"select": list(fields)} if fields else {}
        return show((await tool("find_runs", query=query, limit=100, **selected))["runs"])

    return plan


def ids(runs: list[dict[str, Any]]) -> str:
    """Join the ids of runs."""
    return ", ".join(str(run["id"]) for run in runs)


def codes(runs: list[dict[str, Any]]) -> str:
    """Count the runs by error code, the most frequent first."""
    all_codes = [run["error"]["code"] for run in runs]
    return ", ".join(f"{code}: {all_codes.count(code)}" for code in sorted(set(all_codes), key=all_codes.count)[::-1])


async def _staging(tool: Tool) -> str:
    """Return the id of the environment Staging that offers mistral-large."""
    options = await tool("get_run_filter_options", field="environment", model="mistral-large")
    return str(options["options"][0]["id"])


async def ambiguous_environment(tool: Tool) -> object:
    """Count runs by the id of an environment whose name is ambiguous."""
    return await total(environment=await _staging(tool))(tool)


async def staging_failure(tool: Tool) -> object:
    """Count the error codes in that environment."""
    runs = (await tool("list_runs", environment=await _staging(tool), status="failed"))["runs"]
    return codes(runs)


async def last_night(tool: Tool) -> object:
    """Count the error codes of contract reviews of the last day."""
    runs = await tool("search_runs", interaction="ContractReview", tags=["nightly"], status="failed", start="36h")
    return codes(runs["runs"])


async def one_run(tool: Tool) -> object:
    """Read the error of a run."""
    error = (await tool("get_run", run_id="05c07b3712780040e8db47b9", include=[]))["error"]
    return f"{error['code']}: {error['message']}"


async def commonest_error(tool: Tool) -> object:
    """Find the most frequent error code of a model."""
    runs = (await tool("list_runs", model="gemini-1.5-pro", status="failed"))["runs"]
    return codes(runs).partition(":")[0]


async def busiest_model(tool: Tool) -> object:
    """Find the model with the most runs."""
    return str(await most("models")(tool)).partition(":")[0]


async def worst_rate(tool: Tool) -> object:
    """Find the interaction with the highest share of failed runs."""
    everything = (await tool("compute_run_facets", facets=["interactions"]))["facets"]["interactions"]
    failed = (await tool("compute_run_facets", facets=["interactions"], status="failed"))["facets"]["interactions"]
    runs = {_label(bucket): bucket["count"] for bucket in everything}
    shares = {
        _label(bucket): bucket["count"] / runs[_label(bucket)] for bucket in failed if _label(bucket) != "AlwaysFails"
    }
    return max(shares, key=lambda name: shares[name])


async def environments(tool: Tool) -> object:
    """Compare the failed runs of two environments."""
    counts = (await tool("compute_run_facets", facets=["environments"], status="failed"))["facets"]["environments"]
    by_name = {_label(bucket): bucket["count"] for bucket in counts}
    difference = by_name["Bedrock EU"] - by_name["Vertex AI"]
    return f"{'Bedrock EU' if difference > 0 else 'Vertex AI'}, by {abs(difference)}"


async def extract(tool: Tool) -> object:
    """Extract the email addresses of a text."""
    text = "Ask joan@example.org or kay@example.org"
    run = await tool("create_run", interaction="ExtractContacts", data={"text": text})
    return ", ".join(run["result"]["emails"])


async def batch(tool: Tool) -> object:
    """Classify the sentiments of three texts in one call."""
    inputs = [{"text": text} for text in ("I love it", "It is broken", "It arrived on Tuesday")]
    runs = (await tool("create_run", interaction="ClassifySentiment", inputs=inputs))["runs"]
    return ", ".join(run["result"]["sentiment"] for run in runs)


async def again(tool: Tool) -> object:
    """Find the risk of a clause by repeating a run."""
    before = await tool("get_run", run_id="631bf1cf8933c25e9dfb723d", include=["parameters"])
    run = await tool("create_run", interaction=before["interaction"]["name"], data=before["parameters"])
    return next(risk["risk"] for risk in run["result"]["risks"] if risk["clause"] == "exclusive")


async def parent(tool: Tool) -> object:
    """List the interactions of the child runs of a run."""
    runs = (await tool("list_runs", parent="f0b80ac55146414302c18c37"))["runs"]
    return f"{len(runs)}: {', '.join(sorted({run['interaction']['name'] for run in runs}))}"


PLANS: Mapping[str, Plan] = {
    "total": total(),
    "failed": total(status="failed"),
    "never-started": total(status="created"),
    "model": total(model="claude-3-haiku"),
    "tag": total(tags=["customer-b"]),
    "two-filters": total(interaction="ClassifySentiment", model="gpt-4o", status="completed"),
    "environment": total(environment="Bedrock EU"),
    "ambiguous-environment": ambiguous_environment,
    "slow": found({"execution_time": {"$gt": 5000}}, len, "id"),
    "children": found({"parent": {"$exists": True}}, len, "id"),
    "temperature": found({"config.temperature": 1}, len, "id"),
    "untagged": found({"tags": {"$size": 0}}, len, "id"),
    "slowest": found(
        {"execution_time": {"$gt": 5000}}, lambda runs: max(runs, key=lambda run: run["execution_time"])["id"]
    ),
    "timeouts": found({"error.code": "timeout"}, ids, "id"),
    "two-tags": found({"tags": {"$all": ["nightly", "customer-a"]}}, ids, "id"),
    "text": found({"parameters.text": {"$regex": "ada@example"}}, ids, "id"),
    "most-tokens": found(
        {"token_use.total": {"$gt": 500}},
        lambda runs: max(runs, key=lambda run: run["token_use"]["total"])["id"],
        "token_use",
    ),
    "party": found({"parameters.party": "Party 6"}, ids, "id"),
    "last-night": last_night,
    "refused": found({"interaction.name": "AlwaysFails"}, lambda runs: runs[0]["error"]["message"], "error"),
    "one-run": one_run,
    "staging": staging_failure,
    "commonest-error": commonest_error,
    "busiest-model": busiest_model,
    "worst-model": most("models", status="failed"),
    "worst-interaction": most("interactions", status="failed"),
    "worst-rate": worst_rate,
    "environments": environments,
    "extract": extract,
    "batch": batch,
    "again": again,
    "parent": parent,
}


async def answer(question: str, tool: Tool) -> object:
    """Answer a question of the suite with calls of `tool`.

    Raises:
        LookupError: A tool call failed.
    """
    plan = PLANS[next(known.id for known in questions() if known.question == question)]
    return await plan(tool)


def tool_of(client: Client) -> Tool:
    """Return a function that calls a tool of the server of `client` and returns its structured content."""

    async def tool(name: str, **arguments: Any) -> dict[str, Any]:
        result = await client.call_tool(name, arguments)
        if result.is_error:
            raise LookupError(f"{name}: {result.content}")
        return result.structured_content or {}

    return tool


async def main() -> None:
    """Print the answer to the question on standard input."""
    command, *arguments = json.loads(os.environ["MCP_SERVER"])
    server = stdio_client(StdioServerParameters(command=command, args=arguments, env=dict(os.environ)))
    async with Client(server, client_info=PATIENT) as client:
        found = await answer(sys.stdin.read().strip(), tool_of(client))
    sys.stdout.write(f"{found}\n")


def _label(bucket: Mapping[str, Any]) -> str:
    return re.sub(r"\s+", " ", str(bucket.get("name") or bucket.get("id")))


if __name__ == "__main__":
    anyio.run(main)
