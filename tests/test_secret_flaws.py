"""Malformed secrets from any source: `serve` and `check` name the flaw."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clients.processes import CLEAN
from tests.command_line import FAILED, USAGE, configuration, run_command

FLAWS = {
    "quotes": ('"a-token"', 'the secret is wrapped in quotes ("); remove them'),
    "single quotes": ("'a-token'", "the secret is wrapped in quotes ('); remove them"),
    "a variable": ("${RUNS_TOKEN}", "the secret is ${RUNS_TOKEN}, a variable that was not expanded"),
    "a byte order mark": ("\ufeffa-token", "the secret begins with a byte order mark (U+FEFF); remove it"),
    "a control character": ("a\x1btoken", "the secret holds a control character (U+001B)"),
    "a line break": ("a-token\nb", "the secret holds a line break"),
}
FILES = {
    "UTF-16": ("a-token".encode("utf-16"), "is encoded as UTF-16; save it as UTF-8"),
    "UTF-16 without a byte order mark": ("a-token".encode("utf-16-le"), "is encoded as UTF-16; save it as UTF-8"),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfa", "the secret begins with a byte order mark (U+FEFF)"),
    "no text": (b"\xff\x80\x81", "is not text in UTF-8"),
}
UNESCAPED = ("hush[hush]hush", "[hush]", "hush]", "hush/a", "hush#a", "hush?a", "1/hush", "1?hush=1", "hush\u2100")
"""Passwords that a URL contains only after percent-encoding."""
COMMANDS = pytest.mark.parametrize("command", ["serve", "check"])


def output_of(command: str, folder: Path, settings: dict[str, Any], env: Mapping[str, str] = CLEAN) -> str:
    file = configuration(folder, {"api": {"base_url": "http://127.0.0.1:9/api/v1", "auth": settings}})
    result = run_command(command, "--config", file, cwd=folder, env={**CLEAN, **env})
    assert result.returncode == {"serve": USAGE, "check": FAILED}[command], result.stdout + result.stderr
    return " ".join((result.stdout + result.stderr).split())


@COMMANDS
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flawed_secret_in_the_environment_is_named(command: str, flaw: str, tmp_path: Path) -> None:
    secret, says = FLAWS[flaw]
    output = output_of(command, tmp_path, {"env": "RUNS_SECRET"}, {"RUNS_SECRET": secret})
    assert f"api.auth.env (RUNS_SECRET): {says}" in output


@COMMANDS
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flawed_secret_in_the_configuration_file_is_named(command: str, flaw: str, tmp_path: Path) -> None:
    secret, says = FLAWS[flaw]
    assert f"api.auth.value: {says}" in output_of(command, tmp_path, {"value": secret})


@COMMANDS
@pytest.mark.parametrize("flaw", [*FILES, *(flaw for flaw in FLAWS if flaw != "a byte order mark")])
def test_a_flawed_secret_in_a_file_is_named(command: str, flaw: str, tmp_path: Path) -> None:
    content, says = FILES[flaw] if flaw in FILES else (FLAWS[flaw][0].encode(), FLAWS[flaw][1])
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert f"api.auth.file ({file}): {says}" in output_of(command, tmp_path, {"file": str(file)})


@COMMANDS
@pytest.mark.parametrize("password", UNESCAPED)
@pytest.mark.parametrize("setting", ["redis_url", "base_url", "token_url", "issuer"])
def test_no_part_of_a_password_in_a_malformed_url_is_printed(
    command: str, password: str, setting: str, tmp_path: Path
) -> None:
    url = f"//:{password}@host"
    settings = {
        "redis_url": {"server": {"redis_url": f"redis:{url}"}},
        "base_url": {"api": {"base_url": f"https:{url}"}},
        "token_url": {"api": {"auth": {"value": "a-token", "token_url": f"https:{url}"}}},
        "issuer": {"server": {"http": {"auth": {"kind": "jwt", "issuer": f"https:{url}"}}}},
    }
    result = run_command(command, "--config", configuration(tmp_path, settings[setting]), cwd=tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert f"{setting}: " in output
    assert "hush" not in output
