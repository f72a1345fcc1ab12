"""The released packages contain exactly the needed files."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from tests import ROOT
from tests.contract.conftest import CODE, EXAMPLE, PROMPTS


@pytest.mark.slow
def test_the_wheel_contains_the_package_its_pages_prompts_and_example_configuration(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == CODE | {f"runs_mcp/{name}" for name in (*PROMPTS, EXAMPLE)}


@pytest.mark.slow
def test_the_source_distribution_contains_the_sources_of_the_wheel(built: Path) -> None:
    [source] = built.glob("runs_mcp-*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    about = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert names == CODE | PROMPTS | {EXAMPLE} | about


def test_the_readmes_commands_are_those_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv")]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert len(commands) == 2
    assert commands[1] in ci, "CI runs the second command unchanged"
