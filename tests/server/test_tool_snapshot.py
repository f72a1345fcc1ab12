"""Snapshot of the published tools: a change of any word, schema or hint shows up in a diff.

After an intended change, `python -m tests.server.test_tool_snapshot` rewrites the file.
"""

import json
from pathlib import Path

from runs_mcp.server.tools import OPERATIONS

SNAPSHOT = Path(__file__).with_name("tools_snapshot.json")


def published() -> str:
    """Return every tool as `tools/list` publishes it, one JSON document."""
    tools = [one.published.model_dump(by_alias=True, mode="json", exclude_none=True) for one in OPERATIONS]
    return json.dumps(tools, indent=2, ensure_ascii=False) + "\n"


def test_the_published_tools_are_those_of_the_snapshot() -> None:
    assert json.loads(published()) == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    SNAPSHOT.write_text(published(), encoding="utf-8")
