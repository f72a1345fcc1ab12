"""Where the process starts: what a host asks first is heard before the rest is imported, most of a second later."""

import gc
import os
import stat
import sys
from importlib import import_module

from runs_mcp.opening import Opening


def main() -> None:
    """The console script `runs-mcp`, and `python -m runs_mcp`."""
    arguments = sys.argv[1:]
    opening = None
    if _over_pipes(arguments):
        opening = Opening.of(arguments, os.environ)
        opening.meet(lambda: _load(arguments))
    from runs_mcp.cli import main as commands  # noqa: PLC0415 - only now

    try:
        commands(obj=opening)
    except SystemExit as ended:
        if opening and ended.code:
            opening.forget()
        raise


def _over_pipes(arguments: list[str]) -> bool:
    """Whether a host is at the other end of standard input and output."""
    if arguments[:1] != ["serve"] or {"--http", "--help", "-h"} & set(arguments) or sys.platform == "win32":
        return False
    return all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in (os.fstat(0).st_mode, os.fstat(1).st_mode))


def _load(arguments: list[str]) -> None:
    gc.disable()  # nothing of what is imported is garbage, and looking for it takes a fifth of the time
    for module in ("runs_mcp.cli.serving", "uvloop", *(["runs_mcp.cli.sandboxing"] * ("--sandbox" in arguments))):
        import_module(module)
    gc.enable()
