"""Files for GitHub and pre-commit: they are valid, and every file and command they name exists."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import ROOT

GITHUB = ROOT / ".github"
TOOLS = Path(sys.executable).parent
SCHEMAS = {
    "workflows/ci.yml": "github-workflows",
    "workflows/release.yml": "github-workflows",
    "dependabot.yml": "dependabot",
    "ISSUE_TEMPLATE/bug.yml": "github-issue-forms",
    "ISSUE_TEMPLATE/feature.yml": "github-issue-forms",
    "ISSUE_TEMPLATE/config.yml": "github-issue-config",
}


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / name, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_file_of_github_has_a_schema() -> None:
    assert {str(file.relative_to(GITHUB)) for file in GITHUB.glob("**/*.yml")} == set(SCHEMAS)


@pytest.mark.parametrize("file", SCHEMAS)
def test_every_file_of_github_follows_its_schema(file: str) -> None:
    finished = tool("check-jsonschema", "--builtin-schema", f"vendor.{SCHEMAS[file]}", str(GITHUB / file))
    assert finished.returncode == 0, finished.stdout


def test_workflows_are_safe_and_pin_their_actions() -> None:
    finished = tool("zizmor", "--offline", "--no-progress", "--strict-collection", str(GITHUB))
    assert finished.returncode == 0, finished.stdout


def test_ci_runs_on_every_python_that_is_promised() -> None:
    classifiers = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    promised = re.findall(r"Python :: (3\.\d+)", classifiers)
    job = read(GITHUB / "workflows" / "ci.yml")["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == promised
    assert job["steps"][-1]["run"] == "bash .ci/run"


def test_pre_commit_can_read_its_configuration_and_has_the_tools() -> None:
    finished = tool("pre-commit", "validate-config")
    assert finished.returncode == 0, finished.stdout
    hooks = [hook for repository in read(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    assert hooks
    for hook in hooks:
        folder, _, name = hook["entry"].split()[0].rpartition("/")
        assert folder == ".venv/bin"
        assert shutil.which(name, path=TOOLS), name
