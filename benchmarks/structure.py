"""Figures of the source tree and findings against the rules for names and language.

`python -m benchmarks.structure` prints both. `tests/contract/test_language.py` fails on findings that
`tests/contract/known_findings.txt` does not list; `--write` rewrites that list.
"""

import ast
import io
import re
import statistics
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path

import click

from benchmarks import report, style
from tests import ROOT

PACKAGE = "runs_mcp"
SOURCES = (PACKAGE, "tests", "evals", "benchmarks", "docs")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md", "prompts/*.md", "evals/*.md")
TEXTS = (
    *("runs_mcp/server/ui/*.js", "runs_mcp/server/ui/*.html", "runs_mcp/http/dashboard/*.js", "manifest.json"),
    *(
        "server.json",
        ".github/**/*.md",
        ".github/**/*.yml",
        "deploy/*.*",
        "deploy/**/*.yaml",
        "compose.yaml",
        "Dockerfile",
        ".ci/run",
    ),
    "benchmarks/servers/*.mjs",
)
"""Files other than documents and Python that contain prose: pages, templates, comments of configuration files."""
KNOWN = ROOT / "tests" / "contract" / "known_findings.txt"
QUOTES = (Path(style.__file__), ROOT / "tests" / "contract" / "test_language.py")
"""Files that quote phrases in order to reject them."""

DOCSTRING_STARTS = re.compile(r"(What|Whether|Who|Where|How|No(?:thing|body))\b")
GERUND = re.compile(r"(^|_)(?!(string|ping|logging|tracing|streaming)(_|$))[a-z]+ing(_|$)")
"""A module name with a gerund. The excepted words are nouns of the field."""
VAGUE_TEST_NAME = re.compile(
    r"test_(?:\w+_)?(?:what|who(?:m|ever)?|how|one(?:s)?|says?|said|told|(?:no|some)body|there_(?:is|are))(?:_|$)"
)
"""A name of a test that needs the body to be understood, or that does not name its subject."""
SDK_INTERNALS = ("_lowlevel_server", "middleware[")
TREE_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
TREE_DOCUMENTED = (ast.Module, ast.ClassDef, *TREE_FUNCTIONS)
BEFORE_DOCSTRINGS = (*TREE_DOCUMENTED, ast.Assign, ast.AnnAssign)


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """A violation of a rule; `path` and `rule` identify it in the list of known findings."""

    path: str
    rule: str
    line: int
    text: str


@dataclass(frozen=True)
class Source:
    """A Python file of the project."""

    path: Path
    root: Path = ROOT
    """Folder of the checkout."""

    @property
    def name(self) -> str:
        """The path relative to the project."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def module(self) -> str:
        """The dotted name under which the file is imported."""
        parts = self.path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        """The content of the file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of the file."""
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        """All nodes of the syntax tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def functions(self) -> Sequence[ast.FunctionDef | ast.AsyncFunctionDef]:
        """All functions and methods, including nested functions."""
        return [node for node in self.nodes if isinstance(node, TREE_FUNCTIONS)]

    @cached_property
    def comments(self) -> Sequence[tuple[int, str]]:
        """Line numbers and texts of comments."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]

    @cached_property
    def strings(self) -> Sequence[tuple[int, str]]:
        """Line numbers and texts of string literals, docstrings and parts of f-strings included."""
        constants = (node for node in self.nodes if isinstance(node, ast.Constant))
        return [(node.lineno, node.value) for node in constants if isinstance(node.value, str)]

    @property
    def docstrings(self) -> Iterator[tuple[int, str]]:
        """Line numbers and texts of docstrings, including those of attributes, which follow an assignment (PEP 257)."""
        for node in self.nodes:
            if isinstance(node, TREE_DOCUMENTED):
                for before, statement in pairwise([node, *node.body]):
                    match statement:
                        case ast.Expr(value=ast.Constant(value=str(text))) if isinstance(before, BEFORE_DOCSTRINGS):
                            yield statement.lineno, text

    def imports(self, modules: Mapping[str, "Source"]) -> Iterator[str]:
        """Yield the `modules` that the file imports when it is loaded itself."""
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in modules)
            elif isinstance(node, ast.ImportFrom) and node.module and node.module in modules:
                for alias in node.names:
                    name = f"{node.module}.{alias.name}"
                    yield name if name in modules else node.module


def sources(*folders: str) -> Sequence[Source]:
    """Return the Python files in `folders` of the project, sorted by path."""
    return [Source(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def _docstrings(source: Source) -> Iterator[Finding]:
    for line, text in source.docstrings:
        if DOCSTRING_STARTS.match(text):
            yield Finding(source.name, "docstring-start", line, text.partition("\n")[0])


def _internals(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if any(part in line for part in SDK_INTERNALS) and source.path != Path(__file__):
            yield Finding(source.name, "sdk-internals", number, line.strip())


def _test_names(source: Source) -> Iterator[Finding]:
    for node in source.functions:
        if VAGUE_TEST_NAME.match(node.name):
            yield Finding(source.name, "test-name", node.lineno, node.name)


def _phrases(path: str, texts: Iterable[tuple[int, str]]) -> Iterator[Finding]:
    for first, text in texts:
        yield from (Finding(path, "phrase", first + line, hint) for line, hint in style.hints(text))


def _documents() -> Iterator[tuple[str, str]]:
    """Yield the path and prose of each document and text; of the changelog, only the unreleased changes."""
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix(), style.prose(path.read_text(encoding="utf-8"))
    for pattern in TEXTS:
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = re.split(r"^## \[(?!Unreleased)", changelog, maxsplit=1, flags=re.MULTILINE)[0]
    yield "CHANGELOG.md", style.prose(unreleased)


def _base_names(package: Sequence[Source]) -> Iterator[Finding]:
    by_name = defaultdict(list)
    for source in package:
        if not source.path.stem.startswith("__"):
            by_name[source.path.stem].append(source)
    for name, same in by_name.items():
        if len(same) > 1:
            yield from (Finding(source.name, "duplicate-base-name", 1, name) for source in same)


def findings() -> Sequence[Finding]:
    """Return all violations in the Python files, documents and other texts of the project.

    The strings of Python files include `--help` and the error messages.
    """
    violations = list(_base_names(sources(PACKAGE)))
    for source in sources(*SOURCES):
        violations += [*_docstrings(source), *_internals(source), *_test_names(source)]
        if GERUND.search(source.path.stem):
            violations.append(Finding(source.name, "gerund", 1, source.path.stem))
        if source.path not in QUOTES:
            violations += _phrases(source.name, chain(source.comments, source.strings))
    for path, text in _documents():
        violations += _phrases(path, [(1, text)])
    return sorted(violations)


def known(violations: Sequence[Finding]) -> str:
    """Return the content of the list of known findings for `violations`: a path and a rule per line."""
    return "".join(f"{path} {rule}\n" for path, rule in sorted({(each.path, each.rule) for each in violations}))


def cycles(package: Sequence[Source]) -> Sequence[str]:
    """Return the import cycles among the modules of `package`, each as `a → b → a`."""
    modules = {source.module: source for source in package}
    edges = {name: set(source.imports(modules)) - {name} for name, source in modules.items()}
    chains, done = [], set[str]()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            chains.append(" → ".join((*path[path.index(name) :], name)))
        elif name not in done:
            for other in sorted(edges[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())
    return chains


def inner_imports(package: Sequence[Source]) -> Sequence[str]:
    """Return `path:line` of the imports inside functions."""
    return sorted(
        {
            f"{source.name}:{node.lineno}"
            for source in package
            for function in source.functions
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
    )


def figures() -> str:
    """Return the table of figures of the package, in Markdown."""
    package = sources(PACKAGE)
    lengths = [(node.end_lineno or 0) - node.lineno + 1 for source in package for node in source.functions]
    lines = sum(source.text.count("\n") for source in package)
    comments = sum(len(source.comments) for source in package)
    folders = Counter(source.path.parent.relative_to(ROOT).as_posix() for source in package)
    rows = [
        ("files", f"{len(package)}"),
        ("lines", f"{lines:,}"),
        ("functions", f"{len(lengths):,}"),
        ("lines of a function: median", f"{statistics.median(lengths):.0f}"),
        ("lines of a function: 95th percentile", f"{statistics.quantiles(lengths, n=20)[-1]:.0f}"),
        ("lines of a function: maximum", f"{max(lengths)}"),
        ("imports inside functions", f"{len(inner_imports(package))}"),
        ("import cycles", f"{len(cycles(package))}"),
        ("comments per 100 lines", f"{100 * comments / lines:.1f}"),
    ]
    packages = report.table(("package", "files"), [(name, f"{count}") for name, count in sorted(folders.items())])
    return f"{report.table(('figure', PACKAGE), rows)}\n\n{packages}"


@click.command()
@click.option("--write", is_flag=True, help="Write the list of known findings.")
def main(*, write: bool) -> None:
    """Print the figures of the source tree and all findings."""
    violations = findings()
    click.echo(figures())
    for cycle in cycles(sources(PACKAGE)):
        click.echo(f"cycle: {cycle}")
    for finding in violations:
        click.echo(f"{finding.path}:{finding.line}: {finding.rule}: {finding.text}")
    if write:
        KNOWN.write_text(known(violations), encoding="utf-8")


if __name__ == "__main__":
    main()
