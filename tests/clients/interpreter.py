"""Python interpreters with packages that the project itself does not need."""

import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from tests.clients.node import CACHE, LOW_PRIORITY


def python_with(package: str) -> Path:
    """Return an interpreter with `package` installed; it is kept for later runs."""
    folder = CACHE / f"python-{package}"
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    with FileLock(f"{folder}.lock"):
        if not (folder / "installed").is_file():
            subprocess.run([uv, "venv", "--clear", folder], check=True, capture_output=True)
            install: list[str | Path] = [*LOW_PRIORITY, uv, "pip", "install", "--python", python, package]
            subprocess.run(install, check=True, capture_output=True)
            (folder / "installed").touch()
    return python
