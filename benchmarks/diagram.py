"""Drawings of the package structure: packages with their files, and imports between them, as Mermaid flowcharts.

`python -m benchmarks.diagram` draws the checkout, `python -m benchmarks.diagram REVISION` an earlier revision.
"""

import io
import subprocess
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks.structure import PACKAGE, Source
from tests import ROOT

DEPTH = 2
"""Levels of packages that have a box of their own; the packages inside are listed in the box."""


def _package(source: Source) -> str:
    return source.module if source.path.stem == "__init__" else source.module.rpartition(".")[0]


def _outer(package: str) -> str:
    return ".".join(package.split(".")[:DEPTH])


def _label(outer: str, files: Mapping[str, int]) -> str:
    inner = [f"{name.removeprefix(outer + '.')} {count}" for name, count in sorted(files.items()) if name != outer]
    return "<br>".join([f"{outer}: {files.get(outer, 0)} files", *inner])


def draw(root: Path) -> str:
    """Return the flowchart of the package below `root`: a box per package, an arrow per pair with imports."""
    paths = sorted((root / PACKAGE).rglob("*.py"))
    sources = {source.module: source for source in (Source(path, root) for path in paths)}
    files: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for source in sources.values():
        files[_outer(_package(source))][_package(source)] += 1
    imports = Counter(
        (_outer(_package(source)), _outer(_package(sources[other])))
        for name, source in sources.items()
        for other in set(source.imports(sources))
    )
    names = {package: f"p{number}" for number, package in enumerate(sorted(files))}
    boxes = [f'  {names[package]}["{_label(package, files[package])}"]' for package in sorted(files)]
    arrows = [
        f"  {names[start]} -->|{count}| {names[end]}" for (start, end), count in sorted(imports.items()) if start != end
    ]
    return "\n".join(["```mermaid", "flowchart TD", *boxes, *arrows, "```"])


def draw_revision(revision: str) -> str:
    """Return the flowchart of the package at `revision` of the repository.

    Raises:
        CalledProcessError: the revision is unknown.
    """
    archive = subprocess.run(  # noqa: S603 - the revision comes from the developer
        ["git", "archive", revision, PACKAGE],  # noqa: S607 - git of the PATH
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
        return draw(Path(folder))


@click.command()
@click.argument("revision", required=False)
def main(revision: str | None) -> None:
    """Print the drawing of the checkout, or of REVISION."""
    click.echo(draw_revision(revision) if revision else draw(ROOT))


if __name__ == "__main__":
    main()
