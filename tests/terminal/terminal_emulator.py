"""A command in a pseudo-terminal, and the content of its screen."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyte

TALLEST = 400
"""Lines of the screen: more than a command prints, so no line scrolls away."""


def output_in_terminal(
    words: Sequence[str],
    *,
    columns: int,
    cwd: Path,
    env: Mapping[str, str],
    typed: str = "",
    prompt: str = "",
    code: int = 0,
) -> Iterator[tuple[float, str]]:
    """Yield the output of a command in a terminal, with the seconds since its start; `typed` answers `prompt`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", TALLEST, columns, 0, 0))
    # These variables would override the size of the terminal.
    environment = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
    started = time.monotonic()
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment) as command:
        os.close(theirs)
        seen = ""
        while written := _read(ours):
            yield time.monotonic() - started, written
            seen += written
            if typed and prompt in seen:
                os.write(ours, f"{typed}\n".encode())
                typed = ""
    os.close(ours)
    assert command.returncode == code, seen


def started_in_terminal(
    *arguments: str,
    columns: int,
    cwd: Path,
    env: Mapping[str, str],
    typed: str = "",
    prompt: str = "",
    code: int = 0,
) -> tuple[str, str]:
    """Return the output of `runs-mcp` in a terminal, and the final content of the screen."""
    words = [sys.executable, "-m", "runs_mcp", *arguments]
    environment = {"TERM": "xterm-256color", **env}
    parts = output_in_terminal(words, columns=columns, cwd=cwd, env=environment, typed=typed, prompt=prompt, code=code)
    raw = "".join(part for _, part in parts)
    screen = pyte.Screen(columns, TALLEST)
    pyte.Stream(screen).feed(raw)
    return raw, "\n".join(line.rstrip() for line in screen.display).rstrip()


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65_536).decode(errors="replace")
    except OSError:  # on Linux, a terminal without writers raises this error
        return ""
