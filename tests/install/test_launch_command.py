"""The command that a client starts."""

import sys
from pathlib import Path

import pytest

from runs_mcp.cli.install.launcher import launcher, origin, typed

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


def test_under_uvx_the_command_is_uv_since_its_cache_may_be_cleaned(tmp_path: Path) -> None:
    chosen = launcher(tmp_path / CACHED / "python", UV, origin=lambda: "runs-mcp @ file:///x")
    assert chosen.words == ("/opt/uv", "tool", "run", "--from", "runs-mcp @ file:///x", "runs-mcp")
    assert "cache" in chosen.reason


def test_the_origin_is_the_source_of_the_installation() -> None:
    assert origin().startswith("runs-mcp @ file://"), "tests run from a checkout"


def test_this_environment_has_a_script() -> None:
    [script] = launcher(Path(sys.executable), {}).words
    assert script == str(Path(sys.executable).parent / "runs-mcp")


def test_a_script_in_the_folder_is_typed_from_there(tmp_path: Path) -> None:
    script = tmp_path / ".venv" / "bin" / "runs-mcp"
    assert typed([str(script)], tmp_path, None) == ".venv/bin/runs-mcp"
    assert typed([str(script)], tmp_path / "elsewhere", None) == str(script)


def test_a_script_on_the_path_is_typed_by_its_name(tmp_path: Path) -> None:
    script = tmp_path / "runs-mcp"
    script.touch(mode=0o700)
    assert typed([str(script)], tmp_path, str(tmp_path)) == "runs-mcp"
    assert typed(["/usr/bin/python3", "-m", "runs_mcp"], tmp_path, str(tmp_path)) == "/usr/bin/python3 -m runs_mcp"
