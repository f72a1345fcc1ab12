"""Names, docstrings and prose follow CONTRIBUTING.md; `python -m benchmarks.structure` prints the figures."""

import pytest

from benchmarks import structure, style

FINDINGS = structure.findings()
KNOWN = set(structure.KNOWN.read_text(encoding="utf-8").splitlines())
PACKAGE = structure.sources(structure.PACKAGE)


def test_no_file_breaks_a_rule_that_it_kept_before() -> None:
    new = [
        f"{finding.path}:{finding.line}: {finding.rule}: {finding.text}"
        for finding in FINDINGS
        if f"{finding.path} {finding.rule}" not in KNOWN
    ]
    assert not new, "\n".join(new)


def test_known_findings_lists_no_file_that_is_clean() -> None:
    stale = KNOWN - set(structure.known(FINDINGS).splitlines())
    assert not stale, "run `python -m benchmarks.structure --write` to remove " + ", ".join(sorted(stale))


def test_modules_do_not_import_each_other_in_a_cycle() -> None:
    assert structure.cycles(PACKAGE) == []


@pytest.mark.parametrize("source", PACKAGE, ids=lambda source: str(source.name))
def test_functions_fit_on_a_screen(source: structure.Source) -> None:
    long = {node.name for node in source.functions if (node.end_lineno or 0) - node.lineno >= 60}
    assert not long


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
