"""What is installed is all that is needed, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


PAGES = ("html", "css", "js")


def test_the_wheel_holds_the_package_its_pages_its_prompts_and_its_example_configuration(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [wheel] = tmp_path.glob("runs_mcp-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {
        *(str(file.relative_to(ROOT)) for file in ROOT.glob("runs_mcp/**/*.py")),
        *(str(file.relative_to(ROOT)) for kind in PAGES for file in ROOT.glob(f"runs_mcp/**/*.{kind}")),
        *(f"runs_mcp/prompts/{file.name}" for file in ROOT.glob("prompts/*.md")),
        "runs_mcp/py.typed",
        "runs_mcp/config.example.json",
    }


def test_the_readmes_commands_are_those_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv")]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert len(commands) == 2
    assert commands[1] in ci, "CI runs the second as it stands"
