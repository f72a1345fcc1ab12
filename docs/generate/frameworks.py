"""The table of docs/frameworks.md, generated from the results that the tests compare with each framework's session."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "tests" / "hosts" / "results.json"
COLUMNS = [
    *["framework", "version", "client name", "protocol", "tools", "resources", "prompts", "errors"],
    *["gives up after", "long run"],
]
TRANSPORTS = {"stdio": "stdio", "http": "HTTP"}


def document() -> str:
    """Return a row for each framework."""
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
    ]
    return "\n".join([*lines, *map(_row, json.loads(RESULTS.read_text(encoding="utf-8")).values())])


def _row(framework: Mapping[str, Any]) -> str:
    [(client, _, protocol)] = [one.rpartition(" ") for one in framework["client"]]
    seen = {name: framework[transport] for transport, name in TRANSPORTS.items()}
    cells = [
        framework["title"],
        framework["version"],
        f"`{client}`",
        protocol,
        _both({name: str(one["tools"]) for name, one in seen.items()}),
        _both({name: "yes" if one["resources"] else "no" for name, one in seen.items()}),
        _both({name: "yes" if one["prompts"] else "no" for name, one in seen.items()}),
        _both({name: "as errors" if one["errors"] else "as text" for name, one in seen.items()}),
        _both({name: _seconds(one["default_timeout_s"]) for name, one in seen.items()}),
        _both({name: _long_run(one) for name, one in seen.items()}),
    ]
    return f"| {' | '.join(cells)} |"


def _both(by_transport: Mapping[str, str]) -> str:
    """Return the value of all transports, or each with its transport if they differ."""
    if len(set(by_transport.values())) == 1:
        return next(iter(by_transport.values()))
    return ", ".join(f"{name}: {value}" for name, value in by_transport.items())


def _seconds(timeout_s: float | None) -> str:
    return "never" if timeout_s is None else f"{timeout_s:g} s"


def _long_run(one: Mapping[str, Any]) -> str:
    created = "1 run" if one["runs"] == 1 else f"{one['runs']} runs"
    return f"{'whole text' if one['whole_text'] else 'text lost'}, {created}"
