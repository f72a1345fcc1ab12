"""The version in `runs_mcp/__init__.py`: every file that states a version agrees with it."""

import re

from runs_mcp import __version__
from tests import ROOT

SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")


def test_the_version_is_semantic() -> None:
    assert SEMANTIC.fullmatch(__version__)


def test_the_changelog_starts_with_this_version_or_unreleased() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] in ("Unreleased", __version__)
    assert all(SEMANTIC.fullmatch(heading) for heading in headings if heading != "Unreleased")
