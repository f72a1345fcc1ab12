"""Which command a client is told to start."""

import sys
from pathlib import Path

import pytest

from runs_mcp.cli.install.launcher import launcher, origin

UV = {"UV": "/opt/uv"}
CACHED = "cache/uv/archive-v0/aSZHIpnJzbJGXqTW/bin"


@pytest.mark.parametrize(
    ("python", "script", "environ", "words"),
    [
        pytest.param("venv/bin/python", "venv/bin/runs-mcp", {}, ["venv/bin/runs-mcp"], id="a script beside Python"),
        pytest.param("v/Scripts/python.exe", "v/Scripts/runs-mcp.exe", {}, ["v/Scripts/runs-mcp.exe"], id="on Windows"),
        pytest.param("usr/bin/python3", "local/bin/runs-mcp", {}, ["usr/bin/python3", "-m", "runs_mcp"], id="none"),
        pytest.param("venv/bin/python", "venv/bin/runs-mcp", UV, ["venv/bin/runs-mcp"], id="uv run, in a project"),
        pytest.param(f"{CACHED}/python", f"{CACHED}/runs-mcp", {}, [f"{CACHED}/runs-mcp"], id="a cache, no uv"),
    ],
)
def test_the_command_is_an_absolute_path(
    tmp_path: Path, python: str, script: str, environ: dict[str, str], words: list[str]
) -> None:
    (tmp_path / script).parent.mkdir(parents=True)
    (tmp_path / script).touch()
    first, *rest = words
    assert launcher(tmp_path / python, environ).words == (str(tmp_path / first), *rest)


def test_uvx_is_asked_again_since_its_cache_may_be_cleaned(tmp_path: Path) -> None:
    chosen = launcher(tmp_path / CACHED / "python", UV, origin=lambda: "runs-mcp @ file:///x")
    assert chosen.words == ("/opt/uv", "tool", "run", "--from", "runs-mcp @ file:///x", "runs-mcp")
    assert "cache" in chosen.why


def test_the_origin_is_where_this_package_was_installed_from() -> None:
    assert origin().startswith("runs-mcp @ file://"), "tests run from a checkout"


def test_the_environment_of_the_tests_has_a_script() -> None:
    [script] = launcher(Path(sys.executable), {}).words
    assert script == str(Path(sys.executable).parent / "runs-mcp")
