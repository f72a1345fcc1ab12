"""The command that regenerates parts of the documents from the program, and its pictures."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import click

from docs.generate import frameworks, install_guide, prompts, settings, tools

DOCS = Path(__file__).parents[1]
VOLATILE = (
    re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"),  # times of runs, which are relative to now in a sandbox
    re.compile(r"took [\d.]+ m?s"),
    re.compile(r"\b[0-9a-f]{24}\b"),  # ids of runs that the examples create
)
"""Parts of texts that differ with each generation."""
Part = Callable[[], Awaitable[str]]


async def call(write: Callable[[], str]) -> str:
    """Return the result of `write`, for parts that need no server."""
    return write()


PARTS: dict[tuple[str, str], Part] = {
    ("configuration.md", "settings"): partial(call, settings.document),
    ("frameworks.md", "results"): partial(call, frameworks.document),
    ("install.md", "clients"): partial(call, install_guide.guide),
    ("prompts.md", "prompts"): partial(call, prompts.document),
    ("streaming.md", "still going"): tools.still_going,
    ("tools.md", "tools"): tools.document,
    ("tools.md", "tools of server.manage"): tools.changes,
    ("tools.md", "resources"): tools.resources,
}
"""The generated parts, by document and name. A part is between `<!-- made: NAME -->` and `<!-- end -->`."""


def current_text(document: str, name: str) -> str:
    """Return the text of a generated part that a document contains now."""
    return _split((DOCS / document).read_text(encoding="utf-8"), name)[1].strip()


async def write_all() -> None:
    """Regenerate every part whose text would change."""
    for (document, name), part in PARTS.items():
        file, text = DOCS / document, await part()
        before, current, after = _split(file.read_text(encoding="utf-8"), name)
        # Otherwise commits would contain new times and ids without other changes.
        if without_volatile(text) != without_volatile(current.strip()):
            file.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")


def without_volatile(text: str) -> str:
    """Return `text` without times, durations and ids, which differ with each generation."""
    for pattern in VOLATILE:
        text = pattern.sub("…", text)
    return text


def _split(document: str, name: str) -> tuple[str, str, str]:
    """Return the document before a part, the part, and the document after it."""
    before, begin, rest = document.partition(f"<!-- made: {name} -->")
    part, end, after = rest.partition("<!-- end -->")
    return before + begin, part, end + after


@click.command()
@click.option("--pictures", is_flag=True, help="Regenerate the pictures as well, which requires Chromium.")
def main(*, pictures: bool) -> None:
    """Regenerate the parts of the documents that come from the program."""
    anyio.run(write_all)
    if pictures:
        from docs.generate import demo_picture, screenshot  # noqa: PLC0415 - texts need neither a terminal nor a browser

        (DOCS / "demo.svg").write_text(demo_picture.draw(demo_picture.record()), encoding="utf-8")
        anyio.run(screenshot.take_all, DOCS)


if __name__ == "__main__":
    main()
