"""The public conformance suite, in both eras, against the product and against the server of `fixtures.py`.

Lists beside this file name the expected failures. Any other failure, and a listed scenario that passes, is an error.
"""

import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest

from tests.clients import node
from tests.clients.processes import SERVE, serving_http

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HERE = Path(__file__).parent
SERVERS = {"": SERVE, "-with-fixtures": ("-m", "tests.conformance.fixtures")}
RUNS: dict[str, list[tuple[str, ...]]] = {
    "handshake-era": [("all", "--spec-version", "2025-11-25")],
    "2026-07-28": [("all", "--spec-version", "2026-07-28"), ("pending",)],  # the latter has the Tasks extension
}


@pytest.fixture(scope="module")
def suite() -> Path:
    """The suite's program."""
    folder = node.installed("conformance", {"@modelcontextprotocol/conformance": "0.2.0-alpha.12"})
    return folder / "node_modules" / ".bin" / "conformance"


@pytest.fixture(scope="module", params=SERVERS.items(), ids=["product", "with fixtures"])
async def served(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[tuple[str, str]]:
    """Yield the name of the lists for a server, and its URL."""
    lists, arguments = request.param
    async with serving_http(arguments) as url:
        yield lists, url


async def run(suite: Path, url: str, expected: Path, *options: str, expect: int = 0) -> str:
    """Run the suite against the server at `url` and return its report."""
    command = [str(suite), "server", "--url", url, "--expected-failures", str(expected), *options]
    return await anyio.to_thread.run_sync(partial(node.run, command, expect=expect))


@pytest.mark.parametrize("era", RUNS)
async def test_every_scenario_passes_except_the_listed_failures(suite: Path, served: tuple[str, str], era: str) -> None:
    lists, url = served
    expected = HERE / f"{era}{lists}.yml"
    reports = [await run(suite, url, expected, "--suite", *options) for options in RUNS[era]]
    failed = set(re.findall(r"^  ~ (\S+)$", "\n".join(reports), re.MULTILINE))
    listed = set(re.findall(r"^  - (\S+) # \w", expected.read_text(encoding="utf-8"), re.MULTILINE))
    assert failed == listed


@pytest.mark.parametrize("scenario", ["sep-2640-skills-enumeration", "sep-2640-skills-manifest"])
async def test_every_scenario_of_skills_passes(suite: Path, served: tuple[str, str], scenario: str) -> None:
    # `--force`: the suite leaves out extensions otherwise.
    report = await run(suite, served[1], HERE / "2026-07-28.yml", "--scenario", scenario, "--force")
    assert ", 0 failed" in report


async def test_a_listed_failure_that_passes_is_an_error(suite: Path, served: tuple[str, str], tmp_path: Path) -> None:
    stale = tmp_path / "stale.yml"
    stale.write_text("server:\n  - tools-list\n", encoding="utf-8")
    report = await run(suite, served[1], stale, "--scenario", "tools-list", expect=1)
    assert "Stale baseline entries" in report
