"""Every link and every path in the documents exists."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests import ROOT
from tests.docs.documents import DOCUMENTS, anchors, code, links

A_PATH = re.compile(r"(?:\.ci|\.github|benchmarks|deploy|docs|evals|prompts|runs_mcp|tests)/[\w./*-]*")


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_within_the_repository_lead_to_existing_files_and_headings(document: Path) -> None:
    for link in links(document):
        parts = urlsplit(link.text)
        if parts.scheme:
            continue
        target = (ROOT / document).parent / unquote(parts.path) if parts.path else ROOT / document
        assert target.exists(), f"{link.place}: {link.text}"
        if parts.fragment:
            assert parts.fragment in anchors(target.resolve().relative_to(ROOT)), f"{link.place}: {link.text}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_paths_in_code_exist(document: Path) -> None:
    for span in code(document):
        if A_PATH.fullmatch(span.text):
            assert list(ROOT.glob(span.text.rstrip("/"))), f"{span.place}: {span.text}"
