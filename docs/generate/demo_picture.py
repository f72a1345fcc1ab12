"""docs/demo.svg: what `runs-mcp demo` prints on a terminal, each line when it was printed."""

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

COMMAND = "runs-mcp demo"
COLUMNS = 118
A_COUNT_TAKEN_BACK = re.compile("\x1b7.*?\x1b8\x1b\\[K", re.DOTALL)
"""What the demo draws behind its text and takes away again."""
APPEARING = "@keyframes appear { from { opacity: 0 } }"
A_FONT = re.compile(r"@font-face \{[^}]*\}\s*")
"""What Rich has pictures fetch from elsewhere."""


def recorded() -> list[tuple[float, str]]:
    """The lines of a run of the demo, with the seconds after which each was complete."""
    ours, theirs = pty.openpty()
    words = [str(Path(sys.executable).with_name("runs-mcp")), *COMMAND.split()[1:]]
    started = time.monotonic()
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs) as demo:
        os.close(theirs)
        shown = list(_lines(ours, started))
    os.close(ours)
    assert demo.returncode == 0, shown
    return [(0, f"$ {COMMAND}"), *shown]


def drawn(lines: list[tuple[float, str]]) -> str:
    """A terminal with these lines, as SVG; where nothing moves, all of them are there."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    times: list[float] = []
    for seconds, line in lines:
        rows = Text.from_ansi(line).wrap(console, COLUMNS)
        times += [seconds] * len(rows)
        for row in rows:
            console.print(row)
    svg = console.export_svg(title=COMMAND, unique_id="demo")
    for number, seconds in enumerate(times):
        place = f'clip-path="url(#demo-line-{number})"'
        svg = svg.replace(place, f'{place} style="animation: appear 1ms {seconds:.2f}s backwards"')
    return A_FONT.sub("", svg).replace("<style>", f"<style>\n    {APPEARING}", 1)


def headings(text: str) -> list[str]:
    """Return the headings of the steps that the demo prints, without ids."""
    return [re.sub("[0-9a-f]{24}", "…", one) for one in re.findall(r"▸ ([^\n]*)", text)]


def text_of(svg: str) -> str:
    """The lines of a picture, as they were printed."""
    by_line: dict[str, str] = {}
    for line, text in re.findall(r'clip-path="url\(#demo-line-(\d+)\)"[^>]*>([^<]*)</text>', svg):
        by_line[line] = by_line.get(line, "") + unescape(text).replace("\xa0", " ")
    return "\n".join(line.rstrip() for line in by_line.values())


def _lines(terminal: int, started: float) -> Iterator[tuple[float, str]]:
    pending = ""
    while True:
        try:
            said = os.read(terminal, 65_536)
        except OSError:  # on Linux, a terminal without writers raises this error
            return
        if not said:
            return
        *lines, pending = (pending + said.decode(errors="replace")).split("\r\n")
        for line in lines:
            yield time.monotonic() - started, A_COUNT_TAKEN_BACK.sub("", line).replace(sys.prefix, ".venv")
