"""Packages built from the repository, as in a release."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

BIN = Path(sys.executable).parent

KINDS = ("py", "html", "css", "js", "md")
CODE = {
    "runs_mcp/py.typed",
    *(str(file.relative_to(ROOT)) for kind in KINDS for file in ROOT.glob(f"runs_mcp/**/*.{kind}")),
}
PROMPTS = {f"prompts/{file.name}" for file in ROOT.glob("prompts/*.md")}
EXAMPLE = "config.example.json"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source distribution, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([BIN / "uv", "build", "--quiet", "--out-dir", folder, ROOT], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    """Return the wheel."""
    [wheel] = built.glob("runs_mcp-*.whl")
    return wheel
