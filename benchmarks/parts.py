"""Instructions of the parts of a call, which other programs do not change: `python -m benchmarks.parts`.

Starts the server over stdio under `valgrind --tool=callgrind`, with one more tool, `measure_part`, which repeats a part
inside a real call. The cost of a part is the difference between several repetitions and one.
"""

import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import click
import httpx
import orjson
from mcp_types import CallToolResult
from mcp_types.methods import serialize_server_result

from benchmarks import report
from benchmarks.driver import LEGACY
from benchmarks.peers import OURS, Place, Server, fixed_api, start_server
from benchmarks.speed import CALLS
from runs_mcp import event_loop
from runs_mcp.api import Run
from runs_mcp.api.payloads import decode_json
from runs_mcp.api.requests.transport import DefaultTransport
from runs_mcp.cli.options import load_config
from runs_mcp.server import build_server
from runs_mcp.server.context import Call, services
from runs_mcp.server.pages.page import Page
from runs_mcp.server.render import results, run_lists
from runs_mcp.server.render.portable_json import compact_json
from runs_mcp.server.stdio.stdio_service import serve_stdio
from runs_mcp.server.tool_calls import to_wire
from runs_mcp.server.tools import OPERATIONS
from runs_mcp.server.tools.operation import operation

MEASURED = ("get_run of 2 KB", "list_runs of 10", "list_runs of 100")
HTTP, JSON, CLIENT = "request and response (httpx, aiohttp)", "reading the JSON of the API", "client of the API"
PARTS = (
    *("arguments", HTTP, JSON, CLIENT, "text and structured content"),
    *("validation and copy by the SDK", "search for secrets", "line on standard output"),
)
REPEATED, MADE = 10, 20
"""Repetitions of a part, and of a whole call."""
Work = Callable[[], Awaitable[Any]]
MILLION = 1_000_000


async def parts_of(call: Call) -> Mapping[str, Work]:
    """Return the parts of a call, each with its input from a real call. The client includes the two parts before it."""
    runs, name, arguments = services(call).runs, call.name, call.arguments
    [tool] = [operation for operation in OPERATIONS if operation.name == name]
    page = {} if name == "get_run" else {"limit": arguments["limit"] + 1, "offset": 0}
    path = "/runs" if page else f"/runs/{arguments['run_id']}"
    url = httpx.URL(f"{runs.base_url}{path}", params=page or None)
    fetch = partial(_fetched, DefaultTransport(), url)
    sent = await fetch()
    result = _rendered(call, decode_json(sent))
    wire = _copied(result)
    works: list[Work] = [
        _work(lambda: tool.model.model_validate(tool.clean(arguments), by_alias=True)),
        fetch,
        _work(lambda: decode_json(sent)),
        partial(runs.list_runs, **page) if page else partial(runs.get_run, arguments["run_id"]),
        _work(partial(_rendered, call, decode_json(sent))),
        _work(lambda: _copied(result)),
        _work(lambda: runs.holds_secret(compact_json(wire))),
        _work(lambda: orjson.dumps(wire)),
    ]
    return dict(zip(PARTS, works, strict=True))


def _work(part: Callable[[], object]) -> Work:
    async def work() -> None:
        part()

    return work


async def _fetched(transport: DefaultTransport, url: httpx.URL) -> bytes:
    headers = {"Accept": "application/json", "User-Agent": "runs-mcp", "Authorization": "Bearer benchmark"}
    response = await transport.handle_async_request(httpx.Request("GET", url, headers=headers))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    pieces = [piece async for piece in response.stream]
    await response.aclose()
    return b"".join(pieces)


def _rendered(call: Call, sent: Any) -> CallToolResult:
    if call.name == "get_run":
        return results.one_run(call, Run(sent))
    return run_lists.page(call, Page([Run(run) for run in sent[:-1]], more=True))


def _copied(result: CallToolResult) -> dict[str, Any]:
    wire = to_wire(result)
    assert isinstance(wire, dict)
    return serialize_server_result("tools/call", LEGACY, wire)


@operation("GET /part", title="Measure a part", output=results.ANY_OBJECT)
async def measure_part(call: Call, *, measured: str, part: str, times: int) -> CallToolResult:
    """Repeat a part of a call."""
    tool, arguments = CALLS[measured]
    work = (await parts_of(replace(call, name=tool, arguments=arguments)))[part]
    for _ in range(times):
        await work()
    return results.answer("Done.", {})


class Counter:
    """The instructions of a server that runs under callgrind."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder

    async def count(self, work: Work) -> float:
        """Return the millions of instructions that the server executes during `work`."""
        await self._control("--instr=on")
        await self._control("--zero")
        await work()
        await self._control("--dump")
        newest = max(self._folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        [total] = re.findall(r"^totals: (\d+)", newest.read_text(encoding="utf-8"), re.MULTILINE)
        return int(total) / MILLION

    async def of_part(self, measured: str, part: str) -> float:
        """Return the cost of a part."""
        counts = []
        for times in (1, 1, 1 + REPEATED):  # the first warms up
            arguments = {"measured": measured, "part": part, "times": times}
            counts.append(await self.count(partial(self._server.session.call, "measure_part", arguments)))
        return (counts[-1] - counts[-2]) / REPEATED

    async def of_request(self, method: str, params: Mapping[str, Any]) -> float:
        """Return the cost of a request, from its line on standard input to that on standard output."""

        async def requests() -> None:
            for _ in range(MADE):
                await self._server.session.request(method, params)

        await requests()
        return await self.count(requests) / MADE

    async def _control(self, option: str) -> None:
        command = ["callgrind_control", option, str(self._server.usage.pid)]
        await anyio.run_process(command)


async def measure() -> str:
    """Return the table of the parts."""
    with TemporaryDirectory() as folder:
        options = ("--quiet", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out")
        command = ("valgrind", *options, sys.executable, "-m", "benchmarks.parts", "--serve")
        place = Place(replace(OURS, command=command, settings=(("PYTHONHASHSEED", "0"),)), "stdio", LEGACY)
        async with fixed_api() as environment, start_server(place, environment) as server:
            counter = Counter(server, Path(folder))
            ping = await counter.of_request("ping", {})
            columns = [await _column(counter, measured, ping) for measured in MEASURED]
    rows = [[name, *(f"{column[name]:.2f}" for column in columns)] for name in columns[0]]
    return report.table(["millions of instructions", *(f"`{name}`" for name in MEASURED)], rows)


async def _column(counter: Counter, measured: str, ping: float) -> Mapping[str, float]:
    report.progress(measured)
    tool, arguments = CALLS[measured]
    whole = await counter.of_request("tools/call", {"name": tool, "arguments": arguments})
    parts = {"a `ping`": ping, **{part: await counter.of_part(measured, part) for part in PARTS}}
    parts[CLIENT] -= parts[HTTP] + parts[JSON]
    return {**parts, "the rest: deadline, progress, limits": whole - sum(parts.values()), "the whole call": whole}


async def serve() -> None:
    """Serve over standard input and output, with the tool that measures."""
    await serve_stdio(build_server(load_config(None), operations=[*OPERATIONS, measure_part]))


@click.command()
@click.option("--serve", "serves", is_flag=True, hidden=True)
@report.write_option
def main(*, serves: bool, write: bool) -> None:
    """Count the instructions of the parts of a call, which takes some minutes. Needs valgrind."""
    if serves:
        event_loop.run(serve)
    else:
        report.publish("parts", anyio.run(measure, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
