"""The command line inside the process of the tests; `start_command` uses a separate process."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from runs_mcp.cli.main import main
from tests.clients.processes import CLEAN

DONE, FAILED, USAGE = 0, 1, 2
WITH_TOKEN = {**CLEAN, "COMPOSABLE_TOKEN": "a-token"}


@dataclass(frozen=True, slots=True)
class Finished:
    """The exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


def run_command(*arguments: str, cwd: Path, env: Mapping[str, str] = CLEAN) -> Finished:
    """Run `runs-mcp` in this process, which saves the seconds of importing it in another.

    Raises:
        Exception: the error that would end the process with a traceback.
    """
    runner = CliRunner(env={**dict.fromkeys(os.environ), **env})
    with chdir(cwd), _unchanged_logging():
        result = runner.invoke(main, arguments, prog_name="runs-mcp", catch_exceptions=False)
    return Finished(result.exit_code, result.stdout, result.stderr)


def start_command(*arguments: str, cwd: Path, env: Mapping[str, str] = CLEAN) -> Finished:
    """Run `runs-mcp` in a separate process with empty standard input."""
    command = [sys.executable, "-m", "runs_mcp", *arguments]
    ended = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    return Finished(ended.returncode, ended.stdout, ended.stderr)


def configuration(folder: Path, settings: Any) -> str:
    """Write a config.json, from settings or from text, and return its path."""
    file = folder / "config.json"
    file.write_text(settings if isinstance(settings, str) else json.dumps(settings), encoding="utf-8")
    return str(file)


@contextmanager
def _unchanged_logging() -> Iterator[None]:
    """Restore the handlers and levels of loggers at the end of the block, which a command changes."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {logger: logger.level for logger in _loggers()}
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for logger in _loggers():
            logger.setLevel(levels.get(logger, logging.NOTSET))


def _loggers() -> list[logging.Logger]:
    root = logging.getLogger()
    return [root, *(logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger))]
