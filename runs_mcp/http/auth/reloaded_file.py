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

    def current(self) -> Content:
        """Return the content, reloaded if the file has changed."""
        state = files.state(self._file)
        if state != self._state:
            self._state = state
            try:
                self._content = self._read(self._file)
            except ConfigError as error:
                log.warning("%s No caller is admitted until the file can be read.", error)
                self._content = self._empty
        return self._content
