"""Writes every part of the documents that is made by the program, and its pictures."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import click

from docs.generate import frameworks, install_guide, prompts, settings, tools

DOCS = Path(__file__).parents[1]
A_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
A_DURATION = re.compile(r"took [\d.]+ m?s")
AN_ID = re.compile(r"\b[0-9a-f]{24}\b")
Part = Callable[[], Awaitable[str]]


async def made(write: Callable[[], str]) -> str:
    """A part that takes no time."""
    return write()


PARTS: dict[tuple[str, str], Part] = {
    ("configuration.md", "settings"): partial(made, settings.document),
    ("frameworks.md", "results"): partial(made, frameworks.document),
    ("install.md", "clients"): partial(made, install_guide.guide),
    ("prompts.md", "prompts"): partial(made, prompts.document),
    ("streaming.md", "still going"): tools.still_going,
    ("tools.md", "tools"): tools.document,
    ("tools.md", "resources"): tools.resources,
}
"""What is made, by document and name: it stands between `<!-- made: NAME -->` and `<!-- end -->`."""


def written(document: str, name: str) -> str:
    """Return the current text of a generated part of a document."""
    return _split((DOCS / document).read_text(encoding="utf-8"), name)[1].strip()


async def write_all() -> None:
    """Make every part anew that would differ."""
    for (document, name), part in PARTS.items():
        file, text = DOCS / document, await part()
        before, earlier, after = _split(file.read_text(encoding="utf-8"), name)
        if unchanging(text) != unchanging(earlier.strip()):
            file.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")


def unchanging(text: str) -> str:
    """`text` without what differs each time: when it was made, how long it took, and the ids of new runs."""
    for pattern in (A_TIME, A_DURATION, AN_ID):
        text = pattern.sub("…", text)
    return text


def _split(document: str, name: str) -> tuple[str, str, str]:
    """A document up to a part, the part, and what comes after it."""
    before, begin, rest = document.partition(f"<!-- made: {name} -->")
    part, end, after = rest.partition("<!-- end -->")
    return before + begin, part, end + after


@click.command()
@click.option("--pictures", is_flag=True, help="The pictures too, which takes Chromium.")
def main(*, pictures: bool) -> None:
    """Make what the program makes of the documents anew."""
    anyio.run(write_all)
    if pictures:
        from docs.generate import demo_picture, screenshot  # noqa: PLC0415 - texts need neither a terminal nor a browser

        (DOCS / "demo.svg").write_text(demo_picture.drawn(demo_picture.recorded()), encoding="utf-8")
        anyio.run(screenshot.taken, DOCS / "dashboard.png")


if __name__ == "__main__":
    main()
