"""The documentation matches the table of clients, and links contain the command."""

import json
import re
from base64 import b64decode
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from docs.generate.install_guide import NAME, SERVER, guide, table
from docs.generate.install_links import LINKS, OWN_SCHEMES, Link
from tests import ROOT

CONFIGURATION = {"command": "uvx", "args": ["runs-mcp", "serve", "--sandbox"]}


@pytest.mark.parametrize("file", ["README.md", "docs/install.md"])
def test_every_link_is_generated(file: str) -> None:
    generated = {link.url(NAME, SERVER) for link in (*LINKS, *OWN_SCHEMES)}
    written = re.findall(
        r"[\w-]+:[^\s()]*(?:install-mcp|mcp/install|mcp/add|add_mcp)\?[^\s()]*", (ROOT / file).read_text()
    )
    assert set(written) <= generated
    assert file == "README.md" or set(written) == generated


@pytest.mark.parametrize("link", [*LINKS, *OWN_SCHEMES], ids=lambda link: link.url("", SERVER).partition("?")[0])
def test_a_link_carries_the_name_and_the_command(link: Link) -> None:
    query = urlsplit(link.url("my-runs", SERVER)).query
    match parse_qs(query):
        case {"name": ["my-runs"], "config": [configuration], **more}:
            assert more in ({}, {"quality": ["insiders"]})
            text = configuration if configuration.startswith("{") else b64decode(configuration, validate=True)
            assert json.loads(text) == CONFIGURATION
        case _:
            assert json.loads(unquote(query)) == {"name": "my-runs", "type": "stdio", **CONFIGURATION}


def test_the_guide_holds_no_path_of_this_machine() -> None:
    assert str(Path.home()) not in guide()
    assert table() in guide()
