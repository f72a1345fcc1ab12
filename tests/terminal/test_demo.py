"""`runs-mcp demo`: five tool calls that answer a question, at any width."""

import re
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from rich.console import Console

from runs_mcp.cli.demo.story import QUESTION, WIDEST, Story
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import running
from runs_mcp.server import build_server
from runs_mcp.server.tools import OPERATIONS
from tests.calls import PATIENT
from tests.clients.processes import CLEAN
from tests.command_line import DONE, FAILED, run_command, start_command
from tests.terminal.terminal_emulator import started_in_terminal

WIDTHS = (60, 80, 120, 200)
AN_ID = r"[0-9a-f]{24}"


@pytest.fixture(scope="module")
def shown() -> Mapping[int, str]:
    """The output of the demo in terminals of several widths."""
    return anyio.run(_told)


async def _told() -> Mapping[int, str]:
    texts = {width: StringIO() for width in WIDTHS}
    async with running() as sandbox, anyio.create_task_group() as tasks:
        config = Config(api=sandbox_api(sandbox.url, ApiSettings()))
        for width, text in texts.items():
            tasks.start_soon(_tell, config, text, width)
    return {width: text.getvalue() for width, text in texts.items()}


async def _tell(config: Config, text: StringIO, width: int) -> None:
    console = Console(file=text, width=width, color_system=None, markup=False, highlight=False)
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        await Story(client, console, pause_s=0).tell()


@pytest.mark.parametrize("width", WIDTHS)
def test_each_of_five_steps_shows_its_call_and_the_answer_follows(shown: Mapping[int, str], width: int) -> None:
    text = " ".join(shown[width].split())
    assert re.findall(r"▸ (\d) of 5", text) == list("12345")
    calls = re.findall(r"(?<![(\w])(aggregate_runs|search_runs|get_run|create_run)\(", text)
    assert calls == ["aggregate_runs", "search_runs", "get_run", "create_run", "get_run", "create_run"]
    assert re.search(rf"{re.escape(QUESTION)} 6 of 9 failed with context_length_exceeded", text)
    assert '"verdict": "review"}' in text
    assert re.search(r"\d s · [\d,]+ characters · [\d,]+ characters/s", text)
    assert re.search(r"[\d,]+ tokens/s, now that the run has ended", text)


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_fit_into_the_terminal(shown: Mapping[int, str], width: int) -> None:
    story, _, pasted = shown[width].partition("Connect a chat client")
    assert '"mcpServers"' in pasted
    assert max(map(len, story.splitlines())) <= min(width, WIDEST)


@pytest.mark.parametrize("width", WIDTHS)
def test_columns_are_aligned(shown: Mapping[int, str], width: int) -> None:
    lines = shown[width].splitlines()
    [head] = [number for number, line in enumerate(lines) if re.match(r"  id +status", line)]
    rows = [line for line in lines[head + 1 : head + 7] if re.match(rf"  {AN_ID}  failed", line)]
    assert len(rows) == 6
    for name in ("status", "error"):
        column = lines[head].index(name)
        assert all(row[column - 1] == " " != row[column] for row in rows)
    [numbers] = [number for number, line in enumerate(lines) if re.match(r"  error +model +failed", line)]
    ends = {lines[numbers + row].index(str(count)) for row, count in ((1, 2), (2, 2), (3, 1), (4, 1))}
    assert ends == {lines[numbers].index("failed") + len("failed") - 1}


@pytest.mark.slow
def test_the_demo_connects_over_stdio_and_names_the_next_steps(tmp_path: Path) -> None:
    finished = start_command("demo", "--fast", cwd=tmp_path)
    assert (finished.returncode, finished.stderr) == (DONE, "")
    # The client of the SDK falls back to the older protocol if a server takes long to start.
    assert re.search(rf"Connected over stdio, protocol [-\d]{{10}}: {len(OPERATIONS)} tools\.", finished.stdout)
    assert "\x1b" not in finished.stdout
    for text in ("runs-mcp install --sandbox", "runs-mcp runs list", "config.json", "mcpServers"):
        assert text in finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "coloured", "moving"),
    [({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
    ids=str,
)
def test_a_terminal_shows_colours_and_text_as_it_arrives(
    tmp_path: Path, variables: Mapping[str, str], *, coloured: bool, moving: bool
) -> None:
    raw, screen = started_in_terminal("demo", "--fast", columns=60, cwd=tmp_path, env={**CLEAN, **variables})
    assert (re.search(r"\x1b\[[\d;]*m", raw) is not None) == coloured
    assert len(re.findall(r"characters/s", raw)) > 5 if moving else len(re.findall(r"characters/s", raw)) == 1
    assert "▸ 5 of 5  Compare the two" in screen.splitlines()


def test_the_inspector_needs_node(tmp_path: Path) -> None:
    finished = run_command("demo", "--client", "inspector", cwd=tmp_path, env={**CLEAN, "PATH": str(tmp_path)})
    assert finished.returncode == FAILED
    assert "needs Node.js" in finished.stderr


def test_the_inspector_is_started_on_a_server_with_a_sandbox(tmp_path: Path) -> None:
    npx = tmp_path / "npx"
    npx.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n', encoding="utf-8")
    npx.chmod(0o755)
    finished = run_command("demo", "--client", "inspector", cwd=tmp_path, env={**CLEAN, "PATH": f"{tmp_path}:/bin"})
    assert finished.returncode == DONE
    arguments = (tmp_path / "arguments").read_text(encoding="utf-8").split()
    assert arguments[:2] == ["--yes", "@modelcontextprotocol/inspector"]
    assert arguments[3:] == ["-m", "runs_mcp", "serve", "--sandbox"]


@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_ends_the_demo_without_a_traceback(tmp_path: Path) -> None:
    script = f'"{sys.executable}" -m runs_mcp demo --fast | head -1'
    ended = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == (f"{QUESTION}\n", "")
