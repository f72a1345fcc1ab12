"""`runs-mcp`, which reports at each SIGUSR1 the memory that it has allocated since the previous signal and still holds.

It writes a JSON object to the named pipe $MEMORY_PIPE: KiB by component. Allocations of the standard library and anyio
count for the component that called them.
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
    "/runs_mcp/event_loop.py": "the event loop",  # the outermost caller: allocations that no component owns
    "/runs_mcp/": "ours",
    "/mcp/": "the SDK",
    "/mcp_types/": "the SDK",
    "/starlette/": "the SDK",
    "/sse_starlette/": "the SDK",
    "/uvicorn/": "uvicorn",
    "/h11/": "uvicorn",
    "/httpx/": "httpx",
    "/httpx_aiohttp/": "httpx",
    "/httpx_sse/": "httpx",
    "/aiohttp/": "aiohttp",
}
FRAMES = 12


def owner(trace: tracemalloc.Traceback) -> str:
    """Return the component nearest to the allocation."""
    for frame in reversed(trace):  # innermost frame first
        for part, name in OWNERS.items():
            if part in frame.filename:
                return name
    return "the event loop"


def report_memory(*_: object) -> None:
    """Report the held memory and start a new period."""
    held: Counter[str] = Counter()
    gc.collect()
    if tracemalloc.is_tracing():
        for trace in tracemalloc.take_snapshot().traces:
            held[owner(trace.traceback)] += trace.size
        tracemalloc.stop()
    tracemalloc.start(FRAMES)
    Path(os.environ["MEMORY_PIPE"]).write_text(json.dumps({name: size / 1024 for name, size in held.items()}), "utf-8")


signal.signal(signal.SIGUSR1, report_memory)
main()
