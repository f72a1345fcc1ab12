"""The unit for systemd, with the configuration from its documentation."""

import json
import re
from pathlib import Path

import pytest

from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.config.load import load
from tests import ROOT

UNIT = (ROOT / "deploy" / "runs-mcp.service").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def test_the_process_reads_copies_of_the_configured_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [documented] = (text for text in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL) if "keys_file" in text)
    file = tmp_path / "config.json"
    file.write_text(documented, encoding="utf-8")
    assert load(file).api.auth.file == Path("/etc/runs-mcp/credential")

    for name, value in re.findall(r"^Environment=(\w+)=(.*)$", UNIT, re.MULTILINE):
        monkeypatch.setenv(name, value.replace("%d", "/run/credentials/runs-mcp.service"))
    config, auth = load(file), load(file).server.http.auth
    credentials = dict(re.findall(r"^LoadCredential=([\w-]+):(.*)$", UNIT, re.MULTILINE))
    assert isinstance(auth, BearerAuthSettings)
    assert config.api.auth.file
    assert config.api.auth.file.parent == Path("/run/credentials/runs-mcp.service")
    assert {auth.keys_file.name, config.api.auth.file.name} == set(credentials)
    assert set(credentials.values()) == {
        json.loads(documented)["api"]["auth"]["file"],
        json.loads(documented)["server"]["http"]["auth"]["keys_file"],
    }
