"""Every command in the guides works as written, or is listed here with the test that covers it."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import pytest

from runs_mcp.cli.main import main
from tests import ROOT
from tests.clients.processes import CLEAN
from tests.docs.conftest import EXAMPLE, NewMachine
from tests.docs.documents import GUIDES, Block, Span, blocks, code, each, is_ours
from tests.docs.machine import BIN, added


@dataclass(frozen=True, slots=True)
class TriedElsewhere:
    """Commands that cannot be run as written."""

    pattern: str
    why: str
    by: str
    """The file that runs the commands or contains their parts."""


TRIED_ELSEWHERE = [
    TriedElsewhere(r"^python3 -m venv \S+$", "this environment is what it makes", ".ci/run"),
    TriedElsewhere(r"bin/pip install", "it fetches packages", ".ci/run"),
    TriedElsewhere(r"^(uvx|uv tool|uv build|pipx|pip) ", "it fetches packages", "tests/contract/test_installation.py"),
    TriedElsewhere(r"^uv run ", "a host's, in an unpacked bundle", "tests/contract/test_bundle.py"),
    TriedElsewhere(r"^npx @anthropic-ai/mcpb pack ", "it fetches the packer", "tests/contract/test_bundle.py"),
    TriedElsewhere(r"^mcp-publisher ", "a program and an account", "tests/contract/test_registry.py"),
    TriedElsewhere(r"^(\.venv/bin/)?pytest\b", "these are the tests", ".ci/run"),
    TriedElsewhere(r"^apt-get install ", "it takes root", ".ci/packages"),
    TriedElsewhere(r"^docker ", "it takes Docker", "tests/deploy/test_container.py"),
    TriedElsewhere(r"^kubectl ", "it takes a cluster", "tests/deploy/test_kubernetes.py"),
    TriedElsewhere(r"^claude mcp add --transport http ", "it takes Claude Code", "tests/deploy/behind_nginx.py"),
    TriedElsewhere(
        r"^(claude|gemini|qwen|codex|opencode|copilot|code) .*https://runs",
        "it takes the client",
        "tests/hosts/test_command_lines.py",
    ),
    TriedElsewhere(
        r"runs-mcp install( --sandbox)?$|install \S+ --http ",
        "it asks in a terminal, or takes a shared endpoint",
        "tests/install/test_install_command.py",
    ),
    TriedElsewhere(r"systemd|^systemctl ", "it takes systemd", "tests/deploy/test_unit.py"),
]
SHOWN = {
    "docs/architecture.md": "pyproject.toml",
    "docs/check.md": "tests/test_check.py",
    "docs/frameworks.md": "tests/hosts/test_snippets.py",
    "docs/install.md": "tests/install/test_guide.py",
    "docs/library.md": "tests/api/test_library.py",
    "docs/streaming.md": "tests/docs/test_generated.py",
    "docs/tools.md": "tests/docs/test_generated.py",
}
"""Guides whose blocks are not run, with the file that keeps the blocks correct."""
PROGRAMS = (
    "runs-mcp python python3 pip pipx uv uvx npx mcp-publisher pytest apt-get docker systemctl curl bash git".split()
)


def tried_elsewhere(command: str) -> bool:
    return any(re.search(one.pattern, command) for one in TRIED_ELSEWHERE)


def commands(script: str) -> Iterator[str]:
    """Yield the commands of a script, without comments."""
    for line in script.replace("\\\n", " ").splitlines():
        yield from filter(None, re.sub(r"(^|\s+)# .*$", "", line).split(" && "))


def configuration_for(block: Block) -> str:
    """Return the config.json for a block: the one in the same section, or else the example."""
    near = (
        one.text
        for one in blocks("json")
        if (one.document, one.section) == (block.document, block.section) and is_ours(one)
    )
    return next(near, EXAMPLE)


def spoken() -> Iterator[Span]:
    """Yield the commands in sentences and tables, each at its first place."""
    places = dict[str, str]()
    for document in GUIDES:
        for span in code(document):
            first, *rest = span.text.split(" ")
            if rest and Path(first).name in PROGRAMS:
                for command in commands(span.text):
                    places.setdefault(command, span.place)
    return (Span(place, command) for command, place in places.items())


@pytest.mark.anyio
@each(blocks("sh"))
@pytest.mark.slow
async def test_commands_of_the_documents_succeed(block: Block, new_machine: NewMachine) -> None:
    machine = new_machine(configuration_for(block))
    for command in commands(block.text):
        if server := added(command):
            await machine.answers(server)
        elif not tried_elsewhere(command):
            machine.run(command)


@pytest.mark.parametrize("span", [pytest.param(one, id=f"{one.place} {one.text}") for one in spoken()])
@pytest.mark.slow
def test_commands_in_sentences_use_existing_options(span: Span) -> None:
    if tried_elsewhere(span.text):
        return
    words = shlex.split(span.text)
    if Path(words[0]).name == "runs-mcp":
        assert options(words) <= known_options(words[1:]), span.text
    else:
        program = words[:3] if words[1] == "-m" else words[:2]
        assert options(words[len(program) :]) <= documented_options(*program), span.text


@cache
def documented_options(*program: str) -> set[str]:
    """Return the options in the help text of a program; several sentences may name an option."""
    search = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    shown = subprocess.run(
        [*program, "--help"], cwd=ROOT, env={**CLEAN, "PATH": search}, check=True, capture_output=True, text=True
    )
    return set(re.findall(r"--[\w-]+", shown.stdout))


def options(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("-")}


def known_options(words: list[str]) -> set[str]:
    """Return the options that a command accepts.

    Raises:
        KeyError: there is no such command.
    """
    command: click.Command = main
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(click.Context(command), word)
            if found is None:
                raise KeyError(word)
            command = found
    return {"--help", *(one for parameter in command.params for one in parameter.opts)}


@each(block for block in blocks() if block.language not in ("sh", "json", "toml", "yaml", "markdown"))
def test_blocks_that_are_not_run_are_covered_by_another_file(block: Block) -> None:
    assert block.language in ("", "text", "python", "js")
    assert (ROOT / SHOWN[str(block.document)]).is_file()


@pytest.mark.parametrize("entry", [pytest.param(one, id=one.pattern) for one in TRIED_ELSEWHERE])
def test_commands_covered_by_another_file_are_documented(entry: TriedElsewhere) -> None:
    typed = (command for block in blocks("sh") for command in commands(block.text))
    assert any(re.search(entry.pattern, command) for command in (*typed, *(one.text for one in spoken())))
    assert (ROOT / entry.by).is_file()


def test_the_list_of_blocks_that_are_not_run_is_exact() -> None:
    assert set(SHOWN) == {str(block.document) for block in blocks("", "text", "python", "js")}


def test_ci_runs_the_test_command_of_the_readme() -> None:
    [line] = [line for block in blocks("sh") for line in block.text.splitlines() if "/pytest" in line]
    assert line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
