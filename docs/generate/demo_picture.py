"""docs/demo.svg: the terminal output of `runs-mcp demo`, animated line by line."""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from io import StringIO
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.terminal.terminal_emulator import TALLEST, output_in_terminal

COMMAND = "runs-mcp demo"
COLUMNS = 100
LONGEST_S = 60.0
LONGEST_PAUSE_S = 1.6
"""Longest pause in the picture, in seconds, even on a slow machine."""
GREY = "#c5c8c6"
KEYFRAMES = "@keyframes appear { from { opacity: 0 } } @keyframes flash { from { opacity: 1 } to { opacity: 1 } }"
A_FONT = re.compile(r"@font-face \{[^}]*\}\s*")
"""The fonts that pictures of Rich load from another host."""
A_LINE = re.compile(r'<text class="demo-r\d+"[^>]*clip-path="url\(#demo-line-(\d+)\)"[^>]*>[^<]*</text>\s*')


@dataclass(frozen=True, slots=True)
class Shown:
    """The content of a line of the screen, for some time."""

    row: int
    text: Text
    since_s: float
    until_s: float | None = None
    """None: until the end."""


def record() -> list[Shown]:
    """Return the lines of a run of the demo, with the seconds at which each appeared and was replaced."""
    screen = pyte.Screen(COLUMNS, TALLEST)
    stream = pyte.Stream(screen)
    words = [str(Path(sys.executable).with_name("runs-mcp")), *COMMAND.split()[1:]]
    environment = {**os.environ, "TERM": "xterm-256color"}
    past: list[Shown] = []
    now: dict[int, Shown] = {}
    seconds = last = 0.0
    for moment, written in output_in_terminal(words, columns=COLUMNS, cwd=Path.cwd(), env=environment):
        seconds += min(moment - last, LONGEST_PAUSE_S)
        last = moment
        screen.dirty.clear()
        stream.feed(written.replace(sys.prefix, ".venv"))
        for row in sorted(screen.dirty):
            text = _line(screen.buffer[row])
            if row in now and now[row].text.markup == text.markup:
                continue
            if row in now:
                past.append(Shown(row, now[row].text, now[row].since_s, seconds))
            now[row] = Shown(row, text, seconds)
    return [*past, *(one for _, one in sorted(now.items()))]


def draw(lines: Iterable[Shown]) -> str:
    """Return a terminal with these lines as SVG; without animation, it shows the last content of each line."""
    ordered = [one for one in lines if one.text.plain.strip()]
    final = [one for one in ordered if one.until_s is None]
    height = max(one.row for one in final) + 2  # the command is on the first line
    by_row = {one.row + 1: one for one in final}
    prompt = Shown(-1, Text(f"$ {COMMAND}", "bold"), 0)
    svg = _svg([by_row.get(row, prompt if row == 0 else None) for row in range(height)])
    for row, one in by_row.items():
        svg = _animated(svg, row, f"appear 1ms {one.since_s:.2f}s backwards")
    passing = [_passing(one, height) for one in ordered if one.until_s is not None]
    svg = A_FONT.sub("", svg).replace("<style>", f"<style>\n    {KEYFRAMES}", 1)
    end = svg.rindex("</g>")
    return f"{svg[:end]}{''.join(passing)}{svg[end:]}"


def headings(text: str) -> list[str]:
    """Return the headings of the steps that the demo prints."""
    return re.findall(r"▸ ([^\n]*)", text)


def text_of(svg: str) -> str:
    """Return the lines of a picture, as they were printed."""
    by_line: dict[str, str] = {}
    for line, text in re.findall(r'clip-path="url\(#demo-line-(\d+)\)"[^>]*>([^<]*)</text>', svg):
        by_line[line] = by_line.get(line, "") + unescape(text).replace("\xa0", " ")
    return "\n".join(line.rstrip() for line in by_line.values())


def _line(cells: Mapping[int, pyte.screens.Char]) -> Text:
    """Return a line of the screen with its styles."""
    line = Text()
    for style, alike in groupby((cells[column] for column in range(COLUMNS)), key=_style):
        line.append("".join(cell.data for cell in alike), style)
    line.rstrip()
    return line


def _style(cell: pyte.screens.Char) -> Style:
    colour = None if cell.fg == "default" else cell.fg.replace("brown", "yellow")
    return Style(bold=cell.bold, color=colour)


def _svg(rows: Sequence[Shown | None], identity: str = "demo") -> str:
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, highlight=False)
    for one in rows:
        console.print(one.text if one else "", no_wrap=True)
    return console.export_svg(title=COMMAND, unique_id=identity)


def _animated(svg: str, row: int, animation: str) -> str:
    place = f'clip-path="url(#demo-line-{row})"'
    return svg.replace(place, f'{place} style="animation: {animation}"')


def _passing(one: Shown, height: int) -> str:
    """Return a line that is shown for some time, and hidden without animation."""
    rows: list[Shown | None] = [None] * height
    rows[one.row + 1] = one
    parts = [found[0] for found in A_LINE.finditer(_svg(rows)) if int(found[1]) == one.row + 1]
    lasts = (one.until_s or LONGEST_S) - one.since_s
    animation = f"flash {lasts:.2f}s {one.since_s:.2f}s"
    plain = re.sub(r'class="demo-r\d+"', f'fill="{GREY}"', "".join(parts))  # classes differ from picture to picture
    return f'<g opacity="0" style="animation: {animation}">{plain}</g>'
