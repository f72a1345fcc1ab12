"""A machine whose account is a sandbox, set by environment variables, which override any file."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from runs_mcp.sandbox import DEMO_KEY, running
from tests import ROOT
from tests.clients.processes import CLEAN
from tests.docs.machine import Machine

EXAMPLE = (ROOT / "config.example.json").read_text(encoding="utf-8")
NewMachine = Callable[[str], Machine]


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """Yield the URL of a sandbox, which runs in a separate thread."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running()) as sandbox:
        yield sandbox.url


@pytest.fixture(scope="session")
def token(sandbox_url: str) -> str:
    """Return a token of the account."""
    answer = httpx.get(f"{sandbox_url}/auth/token", params={"token": DEMO_KEY})
    return str(answer.json()["token"])


@pytest.fixture(scope="session")
def answered() -> set[tuple[str, ...]]:
    """Return the commands of servers that have answered, since most documents repeat the same command."""
    return set()


@pytest.fixture
def new_machine(tmp_path: Path, sandbox_url: str, token: str, answered: set[tuple[str, ...]]) -> NewMachine:
    """Return a function that makes a machine with a config.json."""
    environment: Mapping[str, str] = {**CLEAN, "RUNS_MCP_API__BASE_URL": f"{sandbox_url}/api/v1"}
    return lambda configuration: Machine(tmp_path, environment, token, configuration, answered)


@pytest.fixture
def machine(new_machine: NewMachine) -> Machine:
    """Return a machine with config.example.json as its config.json."""
    return new_machine(EXAMPLE)
