"""What is installed is all that is needed, and nothing else."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from runs_mcp import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = {
    *(str(file.relative_to(ROOT)) for file in ROOT.glob("runs_mcp/**/*.py")),
    "runs_mcp/py.typed",
}
PROMPTS = {file.name for file in ROOT.glob("prompts/*.md")}
PRINT_PROMPTS = """
import anyio, runs_mcp, runs_mcp.server
from runs_mcp.config import Config
print(runs_mcp.__file__)
print(*sorted(prompt.name for prompt in anyio.run(runs_mcp.server.build_server(Config()).list_prompts)))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the source distribution is, and the wheel that was built from it alone."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_package_its_prompts_and_its_example_configuration(built: Path) -> None:
    with zipfile.ZipFile(built / f"runs_mcp-{__version__}-py3-none-any.whl") as archive:
        names = set(archive.namelist())
    about = f"runs_mcp-{__version__}.dist-info"
    assert names == {
        *PACKAGE,
        *(f"runs_mcp/prompts/{name}" for name in PROMPTS),
        "runs_mcp/config.example.json",
        *(f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")),
    }


def test_the_wheel_finds_its_prompts_where_there_is_no_checkout(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built / f"runs_mcp-{__version__}-py3-none-any.whl") as archive:
        archive.extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", PRINT_PROMPTS]
    finished = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    where, names = finished.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert {f"{name}.md".replace("_", "-") for name in names.split()} == PROMPTS


def test_the_source_distribution_holds_what_the_wheel_is_built_from_and_documentation(built: Path) -> None:
    top = f"runs_mcp-{__version__}"
    with tarfile.open(built / f"{top}.tar.gz") as archive:
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    assert names == {
        *PACKAGE,
        *(f"prompts/{name}" for name in PROMPTS),
        *(str(file.relative_to(ROOT)) for file in ROOT.glob("docs/**/*.md")),
        *("CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "config.example.json"),
        *("pyproject.toml", "PKG-INFO", ".gitignore"),
    }


def test_the_readmes_commands_are_those_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv")]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert len(commands) == 2
    assert commands[1] in ci, "CI runs the second as it stands"
