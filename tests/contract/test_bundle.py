"""The MCPB bundle is valid, contains only the needed files, and serves when a host starts it."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from runs_mcp.server.tools import OPERATIONS
from tests import ROOT, upstream
from tests.calls import PATIENT, call
from tests.clients import node
from tests.clients.processes import CLEAN
from tests.contract.conftest import BIN, CODE, EXAMPLE, PROMPTS
from tests.upstream import reply

pytestmark = pytest.mark.anyio

MANIFEST = ROOT / "manifest.json"
# Hosts use this function of the packer to turn settings into the command.
HOST = """
import { readFileSync } from "node:fs";
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";
const [extensionPath, filled] = process.argv.slice(1);
const manifest = JSON.parse(readFileSync(`${extensionPath}/manifest.json`));
const userConfig = JSON.parse(filled);
const options = { manifest, extensionPath, userConfig, systemDirs: {}, pathSeparator: "/" };
console.log(JSON.stringify(await getMcpConfigForManifest(options)));
"""


@pytest.fixture(scope="module")
def packer() -> Path:
    """Return the official packer, installed by npm."""
    return node.installed("mcpb", {"@anthropic-ai/mcpb": "2.1.2"})


@pytest.fixture(scope="module")
def bundle(packer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, packed by the command of docs/packaging.md and unpacked, with the pinned versions of CI."""
    program, folder = packer / "node_modules" / ".bin" / "mcpb", tmp_path_factory.mktemp("bundle")
    node.run([program, "pack", ROOT, folder / "runs-mcp.mcpb"])
    node.run([program, "unpack", folder / "runs-mcp.mcpb", folder / "unpacked"])
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    with (folder / "unpacked" / "pyproject.toml").open("a", encoding="utf-8") as project:
        project.write(f"\n[tool.uv]\nconstraint-dependencies = {json.dumps(pinned)}\n")
    return folder / "unpacked"


async def started(packer: Path, bundle: Path, **filled: Any) -> StdioServerParameters:
    """Return the command that a host starts for a person who filled in some settings."""
    script = ["--input-type=module", "-e", HOST, str(bundle), json.dumps(filled)]
    printed = await anyio.to_thread.run_sync(lambda: node.run(script, cwd=packer))
    config = json.loads(printed)
    path = f"{BIN}{os.pathsep}{CLEAN['PATH']}"
    return StdioServerParameters(
        command=config["command"], args=config["args"], env={**CLEAN, "PATH": path, **config["env"]}
    )


@pytest.mark.slow
def test_the_bundle_contains_only_the_needed_files(bundle: Path) -> None:
    with zipfile.ZipFile(bundle.parent / "runs-mcp.mcpb") as archive:
        names = set(archive.namelist())
    assert names == CODE | PROMPTS | {EXAMPLE, "LICENSE", "README.md", "manifest.json", "pyproject.toml"}


def test_the_manifest_lists_the_published_tools() -> None:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    assert sorted(tool["name"] for tool in manifest["tools"]) == sorted(one.name for one in OPERATIONS)


def test_every_setting_has_a_default_without_which_hosts_pass_on_its_placeholder() -> None:
    settings = json.loads(MANIFEST.read_text(encoding="utf-8"))["user_config"]
    assert [name for name, setting in settings.items() if "default" not in setting] == []
    assert [name for name, setting in settings.items() if setting.get("sensitive")] == ["credential"]


@pytest.mark.parametrize(
    ("filled", "tools"), [pytest.param({}, 10, id="nothing"), pytest.param({"read_only": True}, 9, id="read only")]
)
@pytest.mark.slow
async def test_without_a_credential_the_bundle_serves_a_sandbox(
    packer: Path, bundle: Path, filled: dict[str, Any], tools: int
) -> None:
    async with Client(await started(packer, bundle, **filled), client_info=PATIENT) as client:
        assert len((await client.list_tools()).tools) == tools
        listed = await call(client, "list_runs", limit=3)
        assert len(listed.structured["runs"]) == 3
        assert "composable, project sandbox" in listed.text


@pytest.mark.slow
async def test_with_a_credential_the_bundle_serves_its_api(packer: Path, bundle: Path) -> None:
    run = {"id": "r1", "status": "completed"}
    async with upstream.serving({"GET /runs": reply([run])}) as api:
        filled = {"credential": "a-token", "base_url": api.api.base_url, "project": "p1"}
        async with Client(await started(packer, bundle, **filled), client_info=PATIENT) as client:
            listed = await call(client, "list_runs")
    assert [one["id"] for one in listed.structured["runs"]] == ["r1"]
    assert "composable, project p1" in listed.text
