"""The event loop of a process, and the settings of its garbage collector."""

import gc
import sys
from collections.abc import Awaitable, Callable

import anyio

COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of the garbage collector: objects, and collections of the generation before."""


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` in an event loop until it returns."""
    # Freezing the imported modules and collecting rarely saves a busy server a tenth of its CPU time.
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    anyio.run(work, backend_options={"use_uvloop": sys.platform != "win32"})
