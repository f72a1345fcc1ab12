"""A machine that runs the commands of the documents: a checkout, a home folder, and a sandbox as the account."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from runs_mcp.server.tools import OPERATIONS
from tests import ROOT
from tests.calls import PATIENT
from tests.docs.documents import SERVERS

BIN = Path(sys.executable).parent
SECRET = "…"
"""The place of a token, which the reader fills in."""
ELSEWHERE = {
    "/opt/runs-mcp/bin/": ".venv/bin/",
    "/etc/runs-mcp": ".",
    "--port 8090": "--port 0",
    "--workers 4": "--workers 2",
    "serve --http": "serve --http --port 0",
}
"""Places, ports and numbers in the documents, and their replacements for this machine."""
SERVING = re.compile(r"runs-mcp (?:sandbox|serve --http|dashboard)(?! --help)")
"""Commands that print an address, and then run until a signal."""
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


class Machine:
    """A machine that runs commands, one after the other, in a folder like a checkout."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        token: str,
        configuration: str,
        answered: set[tuple[str, ...]],
    ) -> None:
        """Prepare the folder; servers in `answered` are not started again."""
        self._folder = folder
        self._answered = answered
        self._token = token
        self._exported: list[str] = []
        self._environment = {
            **environment,
            "PATH": f"{folder / 'bin'}{os.pathsep}{BIN}{os.pathsep}{environment['PATH']}",
            "HOME": str(folder),
            "BROWSER": "true",
            "COMPOSABLE_TOKEN": token,
        }
        (folder / ".venv").symlink_to(BIN.parent)
        for name in ("benchmarks", "config.example.json", "docs", "evals", "tests"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "config.json").write_text(self.here(configuration), encoding="utf-8")
        (folder / "pasted").write_text("a-secret", encoding="utf-8")  # the input of commands that read standard input
        (folder / "bin").mkdir()
        (folder / "bin" / "uvx").write_text('#!/bin/sh\nexec "$@"\n', encoding="utf-8")  # uvx without an installation
        (folder / "bin" / "uvx").chmod(0o700)

    def here(self, text: str) -> str:
        """Return `text` with the paths, ports and secret of this machine."""
        for there, here in ELSEWHERE.items():
            text = text.replace(there, here)
        return text.replace(SECRET, self._token)

    def run(self, command: str) -> None:
        """Run a command in a shell; it must succeed, or serve until it gets a signal."""
        command = self.here(command)
        if command.startswith("export "):
            self._exported.append(command)
        script = "\n".join([*self._exported, command])
        with (
            (self._folder / "pasted").open() as pasted,
            subprocess.Popen(
                ["bash", "-ec", script],
                cwd=self._folder,
                env=self._environment,
                stdin=pasted,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            assert process.stdout
            said = ""
            if SERVING.search(command):
                for line in process.stdout:
                    said += line
                    if ADDRESS.search(line):
                        os.killpg(process.pid, signal.SIGINT)
                        break
            said += process.stdout.read()
        stopped = (0, 130) if SERVING.search(command) else (0,)
        assert process.returncode in stopped, f"{command}\n{said}"

    async def answers(self, words: Sequence[str]) -> None:
        """Start a server as a client does, and assert that it lists its tools."""
        if tuple(words) in self._answered:
            return
        command, *arguments = words
        server = StdioServerParameters(command=command, args=arguments, env=self._environment, cwd=self._folder)
        async with Client(server, client_info=PATIENT) as client:
            assert len((await client.list_tools()).tools) == len(OPERATIONS)
        self._answered.add(tuple(words))


def servers(configuration: Any) -> Iterator[list[str]]:
    """Yield the commands in the configuration of a client."""
    for key in SERVERS:
        found = configuration.get(key, {})
        for server in found.values() if isinstance(found, dict) else ():
            if command := server.get("command", server.get("cmd")):
                yield [*(command if isinstance(command, list) else [command]), *server.get("args", [])]


def added(command: str) -> list[str] | None:
    """Return the command of the server that a client's own command adds; None for another command."""
    match shlex.split(command):
        case ["gemini" | "qwen", "mcp", "add", _, program, "--scope", "user", "--", *words]:
            return [program, *words]
        case ["claude" | "codex" | "copilot" | "opencode", "mcp", "add", *words] if "--" in words:
            return words[words.index("--") + 1 :]
        case ["code", "--add-mcp", server]:
            return next(servers({"servers": {"": json.loads(server)}}), None)
        case _:
            return None
