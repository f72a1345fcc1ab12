"""Files with keys of callers or issuers: reloaded when they change, and ignored while they cannot be read."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from runs_mcp import files
from runs_mcp.config.problems import ConfigError

log = logging.getLogger(__name__)

Content = TypeVar("Content")


class ReloadedFile(Generic[Content]):
    """The current content of a file, empty while the file cannot be read, so that access fails closed."""

    def __init__(self, file: Path, read: Callable[[Path], Content], *, empty: Content) -> None:
        """Read `file` for the first time.

        Raises:
            ConfigError: the file cannot be used.
        """
        self._file = file
        self._read = read
        self._empty = empty
        self._state = files.state(file)
        self._content = read(file)
        self._problem: str | None = None

    def current(self) -> Content:
        """Return the content, reloaded if the file has changed or could not be read before."""
        state = files.state(self._file)
        # A new mode or owner makes a file readable without changing its state.
        if state != self._state or self._problem:
            self._state = state
            self._reload()
        return self._content

    def _reload(self) -> None:
        known = self._problem
        try:
            self._content, self._problem = self._read(self._file), None
        except ConfigError as error:
            self._content, self._problem = self._empty, str(error)
        if self._problem and self._problem != known:
            log.warning("%s No caller is admitted until the file can be read.", self._problem)
