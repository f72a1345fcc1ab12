"""Tables of benchmarks: printed, and written between the markers of docs/benchmarks.md."""

from collections.abc import Iterable, Sequence

import click

from tests import ROOT

FILE = ROOT / "docs" / "benchmarks.md"
write_option = click.option("--write", is_flag=True, help="Write the tables into docs/benchmarks.md.")


def publish(name: str, text: str, *, write: bool) -> None:
    """Print a report and, if `write` is set, replace it in docs/benchmarks.md."""
    click.echo(text)
    if not write:
        return
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, found, rest = FILE.read_text(encoding="utf-8").partition(opening)
    _, ended, tail = rest.partition(closing)
    if not (found and ended):
        raise click.ClickException(f"{FILE} has no {opening} … {closing}")
    FILE.write_text(f"{head}{opening}\n{text}\n{closing}{tail}", encoding="utf-8")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def progress(text: str) -> None:
    """Print the progress of a measurement to standard error."""
    click.echo(text, err=True)
