"""The documents and their fenced blocks, code, links and headings, each with its place."""

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from runs_mcp.config.settings import Config
from tests import ROOT

GUIDES = [Path("README.md"), *sorted(file.relative_to(ROOT) for file in ROOT.glob("docs/*.md"))]
"""Documents for users: all of their commands and configurations are run."""
DOCUMENTS = [*GUIDES, *map(Path, ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "evals/README.md"))]
"""Documents for readers: all of their links and names must exist."""
SERVERS = ("mcpServers", "servers", "context_servers", "mcp_servers", "mcp", "extensions")
"""Keys under which clients keep their servers."""
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    document: Path
    line: int
    section: str
    """The heading above the block."""
    language: str
    text: str

    @property
    def place(self) -> str:
        """File and line, as editors take them."""
        return f"{self.document}:{self.line}"


@dataclass(frozen=True, slots=True)
class Span:
    """Code in a sentence or a table, or the target of a link."""

    place: str
    text: str


@cache
def tokens(document: Path) -> Sequence[Token]:
    """Parse a document."""
    return MARKDOWN.parse((ROOT / document).read_text(encoding="utf-8"))


def blocks(*languages: str) -> Iterator[Block]:
    """Yield the fenced blocks of the guides in the given languages, or in any language."""
    for document in GUIDES:
        section, heading = "", False
        for token in tokens(document):
            if heading:
                section = token.content
            heading = token.type == "heading_open"
            if token.type == "fence" and (not languages or token.info in languages):
                assert token.map
                yield Block(document, token.map[0] + 1, section, token.info, token.content)


def code(document: Path) -> Iterator[Span]:
    """Yield the code in the sentences and tables of a document."""
    for line, token in _inline(document):
        if token.type == "code_inline":
            yield Span(f"{document}:{line}", token.content)


def links(document: Path) -> Iterator[Span]:
    """Yield the targets of the links and pictures of a document."""
    for line, token in _inline(document):
        target = token.attrGet("href") or token.attrGet("src")
        if target is not None:
            yield Span(f"{document}:{line}", str(target))


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document: its headings, as GitHub converts them."""
    found = tokens(document)
    headings = [found[place + 1].content for place, token in enumerate(found) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def read(block: Block) -> Any:
    """Parse a structured block."""
    match block.language:
        case "toml":
            return tomllib.loads(block.text)
        case "yaml":
            return yaml.safe_load(block.text)
        case _:
            return json.loads(block.text)


def is_ours(block: Block) -> bool:
    """Return true for a config.json."""
    return block.language == "json" and set(read(block)) <= set(Config.model_fields)


def is_a_clients(block: Block) -> bool:
    """Return true for a configuration of a client, with servers to start."""
    return any(key in read(block) for key in SERVERS)


def each(found: Iterator[Block]) -> pytest.MarkDecorator:
    """Parametrize a test with `found`."""
    return pytest.mark.parametrize("block", [pytest.param(one, id=one.place) for one in found])


def _inline(document: Path) -> Iterator[tuple[int, Token]]:
    line = 0
    for token in tokens(document):
        line = token.map[0] + 1 if token.map else line
        yield from ((line, child) for child in token.children or [])
