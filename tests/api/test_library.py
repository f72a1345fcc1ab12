"""The client as a library: the documented example runs, its types are exported, and no server code is loaded."""

import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import anyio
import httpx
import pytest

from runs_mcp import api
from runs_mcp.api import DefaultTransport, InvalidArgumentError, RunsClient, SetupError, connect
from runs_mcp.sandbox import DEMO_KEY, Sandbox
from tests import ROOT
from tests.api import typed_user_code

DOCUMENT = ROOT / "docs" / "library.md"
OPERATIONS = [
    "list_runs",
    "get_run",
    "create_run",
    "stream_run",
    "compute_facets",
    "search_runs",
    "find_runs",
    "get_filter_options",
    "update_run",
    "delete_run",
]


@pytest.mark.anyio
async def test_the_documented_example_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    [example, *_] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 10
    program = tmp_path / "example.py"
    local = example.replace(
        'base_url="https://api.vertesia.io/api/v1", edition="vertesia", api_key="sk-…"',
        f'base_url="{sandbox.url}/api/v1", api_key="{DEMO_KEY}"',
    )
    assert local != example
    program.write_text(local, encoding="utf-8")
    finished = await anyio.run_process([sys.executable, str(program)])
    assert finished.stdout == b"One thing."


@pytest.mark.anyio
async def test_user_code_that_type_checks_runs() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        run = {"id": "r1", "status": "created"}
        match request.url.path.split("/")[3:]:
            case ["runs", _, "stream"]:
                return httpx.Response(200, headers={"content-type": "text/event-stream"}, text="event: close\ndata\n\n")
            case ["runs", "facets"]:
                return httpx.Response(200, json={})
            case ["runs"] if request.method == "POST":
                return httpx.Response(200, json=run)
            case ["runs", "r1"] | ["interactions", "resolve", _]:
                return httpx.Response(200, json=run)
            case _:
                return httpx.Response(200, json=[run])

    await typed_user_code.use(httpx.MockTransport(answer))


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_documents_its_api_call_arguments_and_errors(name: str) -> None:
    method = getattr(RunsClient, name)
    documentation = inspect.getdoc(method) or ""
    assert re.search(r"`(GET|POST|PUT|DELETE) /runs", documentation)
    assert "Raises:" in documentation
    for parameter in list(inspect.signature(method).parameters)[1:]:
        assert f"{parameter}: " in documentation


def types_in(annotation: object) -> set[type]:
    found = {annotation} if inspect.isclass(annotation) else set()
    return found.union(*(types_in(inner) for inner in typing.get_args(annotation)))


@pytest.mark.parametrize(
    "function", [connect, *(getattr(RunsClient, name) for name in OPERATIONS)], ids=lambda function: function.__name__
)
def test_every_type_in_a_public_signature_is_exported(function: object) -> None:
    used = set().union(*(types_in(hint) for hint in typing.get_type_hints(function).values()))
    ours = {kind.__name__ for kind in used if kind.__module__.startswith("runs_mcp")}
    assert ours <= set(api.__all__)


def test_the_library_loads_no_server() -> None:
    program = "import sys, runs_mcp.api; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    ours = {name.split(".")[1] for name in loaded if name.startswith("runs_mcp.")}
    assert ours.isdisjoint({"server", "service", "http", "sandbox", "cli", "redis"})
    assert not {"mcp", "redis", "starlette", "uvicorn"} & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"token": "abcdef", "api_key": "sk-abcdef"}, "either token or api_key", id="two secrets"),
        pytest.param(
            {"settings": api.ApiSettings(), "token": "abcdef"}, "either settings, or base_url", id="settings too"
        ),
        pytest.param({"base_url": "ftp://x", "token": "abcdef"}, "base_url: ", id="no http URL"),
        pytest.param({"base_url": "http://example.com", "token": "abcdef"}, "credential unencrypted", id="unencrypted"),
    ],
)
def test_arguments_that_cannot_work_are_rejected(arguments: dict[str, typing.Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message) as rejected:
        connect(**arguments)
    assert "abcdef" not in str(rejected.value)


@pytest.mark.anyio
async def test_a_closed_client_sends_nothing() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=[])

    async with connect(token="a-token", transport=httpx.MockTransport(answer)) as runs:
        await runs.list_runs()
    with pytest.raises(SetupError, match="The client is closed"):
        await runs.list_runs()
    with pytest.raises(SetupError, match="The client is closed"):
        await runs.create_run(interaction="SummarizeText")
    assert len(requests) == 1


def test_the_default_transport_names_another_for_programs_without_asyncio() -> None:
    request = httpx.Request("GET", "http://127.0.0.1/api/v1/runs")
    with pytest.raises(SetupError, match=r"with trio, pass transport=httpx\.AsyncHTTPTransport"):
        DefaultTransport().handle_async_request(request).send(None)
