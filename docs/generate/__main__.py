"""Writes every part of the documents that is made by the program, and its pictures."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import click

from docs.generate import prompts, settings, tools
from runs_mcp.cli.installing import guide

DOCS = Path(__file__).parents[1]
Part = Callable[[], Awaitable[str]]


async def made(write: Callable[[], str]) -> str:
    """A part that takes no time."""
    return write()


PARTS: dict[tuple[str, str], Part] = {
    ("configuration.md", "settings"): partial(made, settings.document),
    ("install.md", "clients"): partial(made, guide.guide),
    ("prompts.md", "prompts"): partial(made, prompts.document),
    ("streaming.md", "still going"): tools.still_going,
    ("tools.md", "tools"): tools.document,
    ("tools.md", "resources"): tools.resources,
}
"""What is made, by document and name: it stands between `<!-- made: NAME -->` and `<!-- end -->`."""


def written(document: str, name: str) -> str:
    """What a document has for a part."""
    return _split((DOCS / document).read_text(encoding="utf-8"), name)[1].strip()


async def write_all() -> None:
    """Make every part anew."""
    for (document, name), part in PARTS.items():
        file, text = DOCS / document, await part()
        before, _, after = _split(file.read_text(encoding="utf-8"), name)
        file.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")


def _split(document: str, name: str) -> tuple[str, str, str]:
    """A document up to a part, the part, and what comes after it."""
    before, begin, rest = document.partition(f"<!-- made: {name} -->")
    part, end, after = rest.partition("<!-- end -->")
    return before + begin, part, end + after


@click.command()
def main() -> None:
    """Make what the program makes of the documents anew."""
    anyio.run(write_all)


if __name__ == "__main__":
    main()
