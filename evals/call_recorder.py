"""Proxy between an agent and `runs-mcp serve --sandbox` that records every tool call.

Usage: `python -m evals.call_recorder LOG`. Each line of LOG is a call: the tool, whether it failed, and the number of
characters of the arguments and of the result's text, or of its structured content if it has no text.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVER = [sys.executable, "-m", "runs_mcp", "serve", "--sandbox"]


class CallRecorder:
    """Record of tool calls: pending calls in memory, completed calls in a file."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._pending: dict[Any, dict[str, Any]] = {}

    def record_request(self, message: Any) -> None:
        """Record a message from the agent."""
        if isinstance(message, dict) and message.get("method") == "tools/call":
            self._pending[message.get("id")] = message["params"]

    def record_response(self, message: Any) -> None:
        """Record a message from the server; the result of a call completes its record."""
        call = self._pending.pop(message.get("id"), None) if isinstance(message, dict) else None
        if call is None:
            return
        result = message.get("result", {})
        text = "".join(block.get("text", "") for block in result.get("content", ()))
        line = {
            "tool": call["name"],
            "failed": bool(result.get("isError")) or "error" in message,
            "asked_chars": len(json.dumps(call.get("arguments", {}))),
            "answered_chars": len(text or json.dumps(result.get("structuredContent", ""))),
        }
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{json.dumps(line)}\n")


def main() -> int:
    """Forward lines in both directions until the agent closes its end."""
    recorder = CallRecorder(Path(sys.argv[1]))
    with subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:  # noqa: S603 - ours
        back = threading.Thread(target=_forward, args=(server.stdout, sys.stdout.buffer, recorder.record_response))
        back.start()
        _forward(sys.stdin.buffer, server.stdin, recorder.record_request)
        server.stdin and server.stdin.close()
        back.join()
    return server.returncode


def _forward(source: Any, sink: Any, record: Callable[[Any], None]) -> None:
    for line in source:
        try:
            record(json.loads(line))
        except ValueError:
            record(None)  # forwarded unchanged
        sink.write(line)
        sink.flush()


if __name__ == "__main__":
    sys.exit(main())
