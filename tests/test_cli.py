"""The messages and exit codes of the commands, most of them run inside this process."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runs_mcp.cli.check.explanations import NETWORK
from runs_mcp.cli.main import COMMANDS
from runs_mcp.config.settings import Config
from tests.clients.processes import CLEAN
from tests.command_line import DONE, FAILED, USAGE, WITH_TOKEN, configuration, run_command, start_command

UNREACHABLE = {**WITH_TOKEN, "RUNS_MCP_API__BASE_URL": "http://127.0.0.1:9/api/v1", "RUNS_MCP_API__MAX_RETRIES": "0"}
GIVEN = {"auth": {"value": "a-token"}}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"api": {"editon": "vertesia"}}, "api.editon: unknown key. Did you mean edition?", id="wrong key"),
        pytest.param({"api": {"edition": "future"}}, "api.edition: Input should be 'composable'", id="unknown edition"),
        pytest.param("{", "is not JSON", id="not JSON"),
        pytest.param("[]", "must hold a JSON object", id="no object"),
        pytest.param({"api": {"auth": {}}}, "api.auth: set exactly one of value, env, file", id="no source"),
        pytest.param({"api": {"auth": {"value": " "}}}, "api.auth.value: the secret is empty", id="empty token"),
        pytest.param({"api": {"auth": {"env": "NOPE"}}}, "(NOPE): this environment variable", id="no variable"),
        pytest.param(
            {"api": {"auth": {"command": "op '"}}}, "api.auth.command: No closing quotation", id="half a quote"
        ),
        pytest.param({"api": {"auth": {"file": "/"}}}, "api.auth.file (/): cannot be read", id="unreadable secret"),
        pytest.param({"api": {"base_url": "ftp://x"}}, "api.base_url: must be an http or https URL", id="bad URL"),
        pytest.param({"api": {"base_url": "http://x:99999"}}, "api.base_url: Port out of range", id="bad port"),
        pytest.param({"api": GIVEN, "server": {"tools": ["list_run"]}}, "no such tool: list_run", id="unknown tool"),
        pytest.param(
            {
                "api": {
                    "edition": "vertesia",
                    "base_url": "https://example.com",
                    "auth": {"kind": "api_key", "value": "sk-1"},
                }
            },
            "api.auth.token_url: set it",
            id="nowhere to exchange the key",
        ),
    ],
)
def test_serve_rejects_an_invalid_configuration(tmp_path: Path, settings: Any, says: str) -> None:
    finished = run_command("serve", "--config", configuration(tmp_path, settings), cwd=tmp_path)
    assert finished.returncode == USAGE
    assert says in finished.stderr
    assert finished.stdout == ""


def test_a_process_without_a_credential_ends_with_the_variable_to_set_and_no_traceback(tmp_path: Path) -> None:
    finished = start_command("serve", cwd=tmp_path)
    assert finished.returncode == USAGE
    assert "COMPOSABLE_TOKEN" in finished.stderr
    assert "add --sandbox" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""


def test_the_dashboard_names_the_missing_credential(tmp_path: Path) -> None:
    finished = run_command("dashboard", "--no-browser", cwd=tmp_path)
    assert finished.returncode == USAGE
    assert "COMPOSABLE_TOKEN" in finished.stderr


@pytest.mark.parametrize(
    ("given", "code"),
    [
        pytest.param({}, DONE, id="none"),
        pytest.param({"COMPOSABLE_TOKEN": ""}, DONE, id="an empty one"),
        pytest.param({"COMPOSABLE_TOKEN": "not a token"}, USAGE, id="an invalid token"),
        pytest.param({"RUNS_MCP_API__AUTH__FILE": "nowhere"}, USAGE, id="a missing file"),
    ],
)
@pytest.mark.slow
def test_or_sandbox_replaces_a_missing_but_not_an_invalid_credential(
    tmp_path: Path, given: dict[str, str], code: int
) -> None:
    finished = start_command("serve", "--or-sandbox", cwd=tmp_path, env={**CLEAN, **given})
    assert finished.returncode == code, finished.stderr


@pytest.mark.parametrize("arguments", [["serve", "--config", "nowhere.json"], ["check", "--config", "nowhere.json"]])
def test_a_missing_configuration_file_is_named(tmp_path: Path, arguments: list[str]) -> None:
    finished = run_command(*arguments, cwd=tmp_path)
    assert finished.returncode == USAGE
    assert "nowhere.json cannot be read" in finished.stdout + finished.stderr


def test_a_misspelled_variable_is_rejected_with_the_nearest_name(tmp_path: Path) -> None:
    finished = run_command("serve", cwd=tmp_path, env={**WITH_TOKEN, "RUNS_MCP_API__EDITON": "vertesia"})
    assert finished.returncode == USAGE
    assert "RUNS_MCP_API__EDITON. Did you mean RUNS_MCP_API__EDITION?" in finished.stderr


@pytest.mark.slow
def test_http_is_served_on_loopback_only(tmp_path: Path) -> None:
    finished = start_command("serve", "--sandbox", "--http", "--host", "0.0.0.0", cwd=tmp_path)
    assert finished.returncode == USAGE
    assert "loopback only" in finished.stderr


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["sandbox"], id="sandbox"),
        pytest.param(["serve", "--sandbox", "--http"], id="serve", marks=pytest.mark.slow),
        pytest.param(["dashboard", "--sandbox"], id="dashboard", marks=pytest.mark.slow),
    ],
)
def test_a_port_in_use_is_named_in_a_single_line(tmp_path: Path, command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = start_command(*command, "--port", str(port), cwd=tmp_path)
    assert finished.returncode == FAILED
    *_, last = finished.stderr.splitlines()
    assert last.startswith(f"Error: Cannot serve on 127.0.0.1:{port} (--port): Address already in use. ")


@pytest.mark.slow
def test_check_begins_with_the_verdict_and_its_remedy(tmp_path: Path) -> None:
    finished = run_command("check", cwd=tmp_path, env=UNREACHABLE)
    assert finished.returncode == FAILED
    verdict, blank, *_ = finished.stdout.splitlines()
    cause = "Not ready: 127.0.0.1 port 9 refuses connections."
    assert verdict == f"{cause} Start the API there, or correct the port. {NETWORK}"
    assert blank == ""
    assert re.findall(r"^[✗!–✓] (\w+)", finished.stdout, re.MULTILINE) == ["secret"]  # noqa: RUF001 - as printed


@pytest.mark.slow
def test_check_verbose_shows_every_check(tmp_path: Path) -> None:
    finished = run_command("check", "--verbose", cwd=tmp_path, env=UNREACHABLE)
    assert re.search(r"^✓ configuration +no file; defaults, with RUNS_MCP_API__BASE_URL", finished.stdout, re.MULTILINE)
    assert re.search(r"^– api +skipped: connection failed$", finished.stdout, re.MULTILINE)  # noqa: RUF001 - as printed
    assert re.fullmatch(r"\d+ ok, 1 with a warning, 1 failed, \d+ skipped", finished.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("settings", "code", "failed"),
    [
        pytest.param("{", USAGE, "configuration", id="not JSON"),
        pytest.param({"api": {"edition": "future"}}, USAGE, "configuration", id="unknown edition"),
        pytest.param({"api": GIVEN, "server": {"tools": ["list_run"]}}, USAGE, "tools", id="unknown tool"),
        pytest.param({"api": GIVEN, "server": {"tools": []}}, USAGE, "tools", id="no tool"),
        pytest.param({"api": {"auth": {"env": "NOPE"}}}, FAILED, "secret", id="no variable"),
    ],
)
def test_check_prints_a_json_document_and_nothing_else(tmp_path: Path, settings: Any, code: int, failed: str) -> None:
    finished = run_command("check", "--json", "--config", configuration(tmp_path, settings), cwd=tmp_path)
    document = json.loads(finished.stdout)
    assert (finished.returncode, document["ok"], finished.stderr) == (code, False, "")
    assert failed in {one["check"] for one in document["checks"] if one["outcome"] == "failed"}
    assert all(one["fix"] for one in document["checks"] if one["outcome"] in ("failed", "warning"))


def test_the_help_of_the_program_imports_no_command(tmp_path: Path) -> None:
    modules = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "runs_mcp", "--help"], capture_output=True, text=True, check=True
    )
    assert "pydantic" not in modules.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SERVER__TOOLS", '["get_run"'), ("API", "{"), ("API__TIMEOUT_S", "soon"), ("PROFILES__A__CLAIMS", "x")],
)
def test_an_invalid_variable_is_named_in_a_single_line(tmp_path: Path, variable: str, value: str) -> None:
    finished = run_command("serve", cwd=tmp_path, env={**CLEAN, f"RUNS_MCP_{variable}": value})
    assert finished.returncode == USAGE
    assert finished.stderr.startswith(f"Error: RUNS_MCP_{variable}: Input should be")
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_server_starts_in_a_deleted_directory(tmp_path: Path) -> None:
    script = f'mkdir gone && cd gone && rmdir ../gone && exec "{sys.executable}" -m runs_mcp serve --sandbox'
    finished = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, env=CLEAN, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (DONE, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems reject such names")
@pytest.mark.slow
def test_the_server_starts_in_a_directory_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    configuration(folder, {"server": {"http": {"auth": {"kind": "bearer", "keys_file": "keys.json"}}}})
    assert start_command("serve", "--sandbox", cwd=folder).returncode == DONE
    assert run_command("keys", "add", "ci", cwd=folder).returncode == DONE
    assert (folder / "keys.json").is_file()


def test_a_relative_keys_file_starts_at_the_configuration_file(tmp_path: Path) -> None:
    settings = {"server": {"http": {"auth": {"kind": "bearer", "keys_file": "keys.json"}}}}
    (tmp_path / "elsewhere").mkdir()
    finished = run_command(
        "keys", "add", "ci", "--config", configuration(tmp_path, settings), cwd=tmp_path / "elsewhere"
    )
    assert finished.returncode == DONE, finished.stderr
    assert (tmp_path / "keys.json").is_file()


@pytest.mark.parametrize(
    ("options", "scopes"),
    [([], "runs:create runs:read"), (["--scope", "runs:read"], "runs:read")],
    ids=["kept", "replaced"],
)
def test_a_key_that_overlaps_keeps_its_scopes_unless_others_are_given(
    tmp_path: Path, options: list[str], scopes: str
) -> None:
    configuration(tmp_path, {"server": {"http": {"auth": {"kind": "bearer", "keys_file": "keys.json"}}}})
    run_command("keys", "add", "ci", "--scope", "runs:read", "--scope", "runs:create", cwd=tmp_path)
    run_command("keys", "add", "ci", "--overlap", "1", *options, cwd=tmp_path)
    assert run_command("keys", "list", cwd=tmp_path).stdout.splitlines()[-1].startswith(f"ci: {scopes}, ")


def test_config_schema_is_the_schema_of_the_settings(tmp_path: Path) -> None:
    finished = run_command("config-schema", cwd=tmp_path)
    assert finished.returncode == DONE
    assert json.loads(finished.stdout) == Config.model_json_schema()


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_each_command_has_help(tmp_path: Path, command: str) -> None:
    finished = run_command(command, "--help", cwd=tmp_path)
    assert finished.returncode == DONE
    assert len(finished.stdout.splitlines()) > 4


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    assert run_command("serv", cwd=tmp_path).returncode == USAGE


def test_the_server_ends_silently_at_the_end_of_its_input(tmp_path: Path) -> None:
    finished = start_command("serve", "--sandbox", cwd=tmp_path)
    assert (finished.returncode, finished.stdout, finished.stderr) == (DONE, "", "")


def test_the_console_script_prints_the_version_of_the_module(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "runs-mcp"
    version = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == start_command("--version", cwd=tmp_path).stdout


def test_a_command_writes_any_character_to_a_pipe_and_replaces_a_closed_stream(tmp_path: Path) -> None:
    code = """
import os
from runs_mcp.cli.main import main
main(["config-schema"], standalone_mode=False)
os.fstat(0)
print("\\u25b8")
"""
    command = ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, code]
    environment = {**CLEAN, "PYTHONIOENCODING": "latin-1"}
    written = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True).stdout
    assert written.decode().endswith("▸\n")


@pytest.mark.parametrize(("typed", "meant"), [(["serv"], "serve"), (["instal"], "install"), (["runs", "lst"], "list")])
def test_a_misspelled_command_is_answered_with_the_nearest(tmp_path: Path, typed: list[str], meant: str) -> None:
    finished = run_command(*typed, cwd=tmp_path)
    assert finished.returncode == USAGE
    assert f"No such command '{typed[-1]}'. Did you mean '{meant}'?" in finished.stderr
