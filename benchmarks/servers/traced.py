"""Our server, which says at SIGUSR1 what it has come to keep in memory since the one before.

It writes a line of JSON to the named pipe $KEPT: KiB by whose code asked for them. What the standard library and anyio
ask for is counted to who called them.
"""

import gc
import json
import os
import signal
import tracemalloc
from collections import Counter
from pathlib import Path

from runs_mcp.cli.main import main

OWNERS = {
    "/runs_mcp/": "ours",
    "/mcp/": "the SDK",
    "/mcp_types/": "the SDK",
    "/starlette/": "the SDK",
    "/sse_starlette/": "the SDK",
    "/uvicorn/": "uvicorn",
    "/h11/": "uvicorn",
    "/aiohttp/": "aiohttp",
}
FRAMES = 12


def owner(trace: tracemalloc.Traceback) -> str:
    """Whose code is nearest to where memory was asked for."""
    for frame in reversed(trace):  # the innermost is the last
        for part, name in OWNERS.items():
            if part in frame.filename:
                return name
    return "the event loop"


def say(*_: object) -> None:
    """Say what is kept, and look at what is asked for from now on."""
    kept: Counter[str] = Counter()
    gc.collect()
    if tracemalloc.is_tracing():
        for trace in tracemalloc.take_snapshot().traces:
            kept[owner(trace.traceback)] += trace.size
        tracemalloc.stop()
    tracemalloc.start(FRAMES)
    Path(os.environ["KEPT"]).write_text(json.dumps({name: size / 1024 for name, size in kept.items()}), "utf-8")


signal.signal(signal.SIGUSR1, say)
main()
