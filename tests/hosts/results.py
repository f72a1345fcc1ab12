"""The results of the frameworks that docs/frameworks.md shows; `python -m tests.hosts.results` measures them again."""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio

from tests.hosts.frameworks import FRAMEWORKS, TRANSPORTS
from tests.hosts.observation import Observation, observed

FILE = Path(__file__).with_name("results.json")


def result(seen: Observation) -> dict[str, Any]:
    """Return the facts about a session that docs/frameworks.md shows.

    Raises:
        AssertionError: the program of the framework failed.
    """
    assert not seen.failure, seen.failure
    written = list(dict.fromkeys(re.findall(r"word\d+", " ".join(seen.record["slow"]))))
    return {
        "default_timeout_s": seen.record["default_timeout_s"],
        "tools": len(seen.record["tools"]),
        "resources": seen.record["resource"] is not None,
        "prompts": seen.record["prompt"] is not None,
        "errors": seen.record["error"]["is_error"],
        "whole_text": written == seen.words,
        "runs": seen.created,
    }


def clients(seen: Observation) -> list[str]:
    """Return the names and protocol versions that a framework sent."""
    return sorted(" ".join(peer) for peer in seen.peers)


def committed() -> dict[str, dict[str, Any]]:
    """Return the results in the repository, by the name of each framework."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


async def measure(*names: str) -> None:
    """Measure the named frameworks, or all, over each transport, and write the file in the order of `FRAMEWORKS`."""
    rows = committed()
    chosen = [framework for framework in FRAMEWORKS if not names or framework.name in names]
    with tempfile.TemporaryDirectory() as folder:
        measured = await observed(chosen, Path(folder))
    for framework in chosen:
        sessions = measured[framework.name]
        row: dict[str, Any] = {"title": framework.title, "version": framework.version}
        row |= {transport: result(sessions[transport]) for transport in TRANSPORTS}
        rows[framework.name] = row | {"client": clients(sessions["http"])}
    ordered = {framework.name: rows[framework.name] for framework in FRAMEWORKS}
    FILE.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    anyio.run(measure, *sys.argv[1:])
