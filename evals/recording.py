"""A server between an agent and `runs-mcp serve --sandbox` that changes nothing and writes down every tool call.

Usage: python -m evals.recording LOG. Each line of LOG is a call: the tool, whether it failed, and the characters of the
arguments and of the answer's text, or of its structured content where it has no text.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVER = [sys.executable, "-m", "runs_mcp", "serve", "--sandbox"]


class Recording:
    """The calls that are under way, and the file of those that are over."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._asked: dict[Any, dict[str, Any]] = {}

    def asked(self, message: Any) -> None:
        """Note a message of the agent's."""
        if isinstance(message, dict) and message.get("method") == "tools/call":
            self._asked[message.get("id")] = message["params"]

    def answered(self, message: Any) -> None:
        """Note a message of the server's; the answer to a call is written down."""
        call = self._asked.pop(message.get("id"), None) if isinstance(message, dict) else None
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
    """Pass lines on both ways until the agent leaves."""
    recording = Recording(Path(sys.argv[1]))
    with subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:  # noqa: S603 - ours
        back = threading.Thread(target=_pass_on, args=(server.stdout, sys.stdout.buffer, recording.answered))
        back.start()
        _pass_on(sys.stdin.buffer, server.stdin, recording.asked)
        server.stdin and server.stdin.close()
        back.join()
    return server.returncode


def _pass_on(source: Any, sink: Any, note: Callable[[Any], None]) -> None:
    for line in source:
        try:
            note(json.loads(line))
        except ValueError:
            note(None)  # not for this recording to judge: it is passed on as it is
        sink.write(line)
        sink.flush()


if __name__ == "__main__":
    sys.exit(main())
