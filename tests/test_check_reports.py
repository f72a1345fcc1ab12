"""The report of `runs-mcp check` on the operations of three credentials, each in a file of `check_reports/`.

After an intended change, `python -m tests.test_check_reports` writes the files again.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from runs_mcp.cli.check import permissions, report
from runs_mcp.cli.check.findings import Check, Finding
from runs_mcp.cli.check.runner import CHECKS, examine
from runs_mcp.sandbox import DEMO_KEY, FixedAnswer, Operation, SandboxOptions, closed, running
from runs_mcp.sandbox.access import READ_ONLY_KEY

pytestmark = pytest.mark.anyio

REPORTS = Path(__file__).with_name("check_reports")
INTERNAL: tuple[Operation, ...] = ("find", "facets", "filter_options")
CREDENTIALS: Mapping[str, tuple[str, Mapping[Operation, FixedAnswer]]] = {
    "full": (DEMO_KEY, {}),
    "public-contract": (DEMO_KEY, closed(*INTERNAL)),
    "read-only": (READ_ONLY_KEY, {}),
}
"""The key of each credential, and the operations that are closed to it."""
OF_OPERATIONS = {name for name, value in vars(permissions).items() if isinstance(value, Check)}


async def reported(credential: str, folder: Path) -> str:
    """Return the verdict and the findings on operations, without times."""
    key, answers = CREDENTIALS[credential]
    async with running(SandboxOptions(answers=answers)) as started:
        auth = {"kind": "api_key", "value": key, "token_url": f"{started.url}/token/issue"}
        file = folder / "config.json"
        file.write_text(json.dumps({"api": {"base_url": f"{started.url}/api/v1", "edition": "vertesia", "auth": auth}}))
        file.chmod(0o600)
        found: dict[str, Finding] = {}
        here = [one for one in CHECKS if not one.name.startswith("protocol_")]
        await examine(file, on_finding=found.__setitem__, checks=here)
    verdict = re.sub(r"\d+ ms", "N ms", report.verdict(found))
    width = max(map(len, OF_OPERATIONS))
    lines = [report.line(name, found[name], width=width) for name in found if name in OF_OPERATIONS]
    return "\n".join([verdict, "", *lines]) + "\n"


@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_the_report_is_that_of_the_file(credential: str, tmp_path: Path) -> None:
    expected = (REPORTS / f"{credential}.txt").read_text(encoding="utf-8")
    assert re.sub(r"\x1b\[[0-9;]*m", "", await reported(credential, tmp_path)) == expected


if __name__ == "__main__":
    for name in CREDENTIALS:
        with tempfile.TemporaryDirectory() as folder:
            text = anyio.run(reported, name, Path(folder))
        (REPORTS / f"{name}.txt").write_text(re.sub(r"\x1b\[[0-9;]*m", "", text), encoding="utf-8")
