"""Names, docstrings and prose follow CONTRIBUTING.md; `python -m benchmarks.structure` prints the figures."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import structure, style

KNOWN = set(structure.KNOWN.read_text(encoding="utf-8").splitlines())


@pytest.fixture(scope="module")
def findings() -> Sequence[structure.Finding]:
    """Return the findings in all files."""
    return structure.findings()


@pytest.fixture(scope="module")
def package() -> Sequence[structure.Source]:
    """Return the files of the package."""
    return structure.sources(structure.PACKAGE)


def test_no_file_breaks_a_rule_that_it_kept_before(findings: Sequence[structure.Finding]) -> None:
    new = [
        f"{finding.path}:{finding.line}: {finding.rule}: {finding.text}"
        for finding in findings
        if f"{finding.path} {finding.rule}" not in KNOWN
    ]
    assert not new, "\n".join(new)


def test_known_findings_lists_no_file_that_is_clean(findings: Sequence[structure.Finding]) -> None:
    stale = KNOWN - set(structure.known(findings).splitlines())
    assert not stale, "run `python -m benchmarks.structure --write` to remove " + ", ".join(sorted(stale))


def test_docstrings_are_those_of_modules_definitions_and_attributes(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    text = '"""Module."""\nA = 1\n"""A."""\nclass B:\n    c: int\n    """C."""\n\nprint(A)\n"""No."""\n'
    file.write_text(text, encoding="utf-8")
    assert [found for _, found in structure.Source(file, tmp_path).docstrings] == ["Module.", "A.", "C."]


def test_modules_do_not_import_each_other_in_a_cycle(package: Sequence[structure.Source]) -> None:
    assert structure.cycles(package) == []


def test_functions_fit_on_a_screen(package: Sequence[structure.Source]) -> None:
    long = [
        f"{source.name}:{node.lineno}: {node.name}"
        for source in package
        for node in source.functions
        if (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The tokens are looked\nat by nobody.", 2),
        ("Take the one that fits.", 1),
        ("Each call returns one run, or one of several errors.", 0),
    ],
)
def test_phrases_are_found_across_line_breaks(text: str, found: int) -> None:
    assert len(list(style.hints(text))) == found


def test_code_in_documents_is_not_prose() -> None:
    markdown = "Call `nobody`.\n\n```python\nwhoever = 1\n```\n\n  ````text\n  somebody\n  ````\n\n[look](nobody.md)\n"
    assert not list(style.hints(style.prose(markdown)))
