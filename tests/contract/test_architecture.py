"""The table "Where to change what" and the drawings in docs/architecture.md match the source tree."""

import re
from collections.abc import Iterator

import pytest

from benchmarks import diagram, structure
from tests import ROOT

PACKAGE = ROOT / structure.PACKAGE
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TABLE = DOCUMENT.partition("## Where to change what")[2].partition("## Decisions")[0]
ROW = re.compile(r"^\| (?P<change>[^|`]+) \| (?P<places>[^|]*`[^|]+) \|$", re.MULTILINE)


def places() -> Iterator[tuple[str, str]]:
    """Yield each row and the paths it names; a bare name is a module in the folder named before it."""
    for row in ROW.finditer(TABLE):
        folder = ""
        for name in re.findall(r"`([^` ]+)`", row["places"]):
            if name.endswith("/"):
                folder = name
            yield row["change"], name if "/" in name or "." in name else f"{folder}{name}.py"


@pytest.mark.parametrize(("change", "place"), [*places()])
def test_every_place_in_the_table_exists(change: str, place: str) -> None:
    assert [*PACKAGE.glob(place)] or [*ROOT.glob(place)], f"{change}: {place}"


@pytest.mark.parametrize(
    "subject",
    "a tool|an error message|request is repeated|a Redis key|a page|a setting|a scope|log line|metric|masked secrets|"
    "a prompt|a route of the sandbox".split("|"),
)
def test_the_table_names_a_place_for_every_common_change(subject: str) -> None:
    assert any(subject in change for change, _ in places())


def test_the_drawing_has_a_box_for_every_package() -> None:
    drawn = diagram.draw(ROOT)
    for folder in (path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()):
        assert f"runs_mcp.{folder.name}: " in drawn
