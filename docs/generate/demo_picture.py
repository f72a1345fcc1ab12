"""The picture docs/demo.svg: the output of `runs-mcp demo` on a terminal, animated at the speed of the demo."""

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
ERASED_COUNT = re.compile("\x1b7.*?\x1b8\x1b\\[K", re.DOTALL)
"""The count that the demo prints after its text, up to the sequence that erases the count."""
KEYFRAMES = "@keyframes appear { from { opacity: 0 } }"
FONT_FACE = re.compile(r"@font-face \{[^}]*\}\s*")
"""The fonts that Rich makes pictures load from another host; GitHub blocks them."""


def record() -> list[tuple[float, str]]:
    """Return the lines that the demo prints, with the seconds after which each was complete."""
    # A pseudoterminal, because the demo prints no colours and no count to a pipe.
    reader, terminal = pty.openpty()
    command = [str(Path(sys.executable).with_name("runs-mcp")), *COMMAND.split()[1:]]
    started = time.monotonic()
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal) as demo:
        os.close(terminal)
        lines = list(_lines(reader, started))
    os.close(reader)
    assert demo.returncode == 0, lines
    return [(0, f"$ {COMMAND}"), *lines]


def draw(lines: list[tuple[float, str]]) -> str:
    """Return an SVG of a terminal in which the lines appear one by one; without animation it shows all lines."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    times: list[float] = []
    for seconds, line in lines:
        rows = Text.from_ansi(line).wrap(console, COLUMNS)
        times += [seconds] * len(rows)
        for row in rows:
            console.print(row)
    svg = console.export_svg(title=COMMAND, unique_id="demo")
    for number, seconds in enumerate(times):
        line = f'clip-path="url(#demo-line-{number})"'
        svg = svg.replace(line, f'{line} style="animation: appear 1ms {seconds:.2f}s backwards"')
    return FONT_FACE.sub("", svg).replace("<style>", f"<style>\n    {KEYFRAMES}", 1)


def headings(text: str) -> list[str]:
    """Return the headings of the steps that the demo prints, without ids."""
    return [re.sub("[0-9a-f]{24}", "…", heading) for heading in re.findall(r"▸ ([^\n]*)", text)]


def text_of(svg: str) -> str:
    """Return the printed lines of a picture."""
    by_line: dict[str, str] = {}
    for line, text in re.findall(r'clip-path="url\(#demo-line-(\d+)\)"[^>]*>([^<]*)</text>', svg):
        by_line[line] = by_line.get(line, "") + unescape(text).replace("\xa0", " ")
    return "\n".join(line.rstrip() for line in by_line.values())


def _lines(terminal: int, started: float) -> Iterator[tuple[float, str]]:
    pending = ""
    while True:
        try:
            output = os.read(terminal, 65_536)
        except OSError:  # on Linux, a terminal without writers raises this error
            return
        if not output:
            return
        *lines, pending = (pending + output.decode(errors="replace")).split("\r\n")
        for line in lines:
            yield time.monotonic() - started, ERASED_COUNT.sub("", line).replace(sys.prefix, ".venv")
