"""The wheel as users install it, with uvx, pipx and pip: the installed command starts a complete server."""

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from runs_mcp import __version__
from runs_mcp.server.tools import OPERATIONS
from tests import ROOT
from tests.calls import PATIENT
from tests.clients.processes import CLEAN
from tests.contract.conftest import BIN

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CONSTRAINTS = str(ROOT / "constraints.txt")


def run(*command: str | Path, env: Mapping[str, str] = CLEAN) -> str:
    """Run a command and return its output."""
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def by_uvx(wheel: Path, folder: Path) -> list[str]:
    """Return a command that creates its environment when it runs, without an installation."""
    return [str(BIN / "uvx"), "--constraints", CONSTRAINTS, "--from", str(wheel), "runs-mcp"]


def by_pipx(wheel: Path, folder: Path) -> list[str]:
    """Create an environment with pipx, which uses uv where uv is installed."""
    places = {"PIPX_HOME": str(folder), "PIPX_BIN_DIR": str(folder / "bin"), "PIPX_MAN_DIR": str(folder / "man")}
    options = ["--backend", "uv", "--pip-args", f"--constraint {CONSTRAINTS}"]
    run(BIN / "pipx", "install", *options, wheel, env={**CLEAN, **places})
    return [str(folder / "bin" / "runs-mcp")]


def by_pip(wheel: Path, folder: Path) -> list[str]:
    """Create a virtual environment that borrows our dependencies, since pip takes ten seconds to install them."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    run(sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", "--no-deps", wheel)
    run(sys.executable, "-m", "pip", "--python", folder, "check")
    return [str(folder / "bin" / "runs-mcp")]


@pytest.mark.parametrize("by", [by_uvx, by_pipx, by_pip])
async def test_an_installed_package_starts_and_is_complete(
    by: Callable[[Path, Path], list[str]], wheel: Path, tmp_path: Path
) -> None:
    command, *arguments = by(wheel, tmp_path)
    assert run(command, *arguments, "--version") == f"runs-mcp, version {__version__}\n"
    server = StdioServerParameters(command=command, args=[*arguments, "serve", "--sandbox"], env=CLEAN, cwd=tmp_path)
    async with Client(server, client_info=PATIENT) as client:
        assert len((await client.list_tools()).tools) == len(OPERATIONS)
        assert len((await client.list_prompts()).prompts) == 5
