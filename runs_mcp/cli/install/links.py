"""Symbolic links on the way to a configuration file."""

import os
from pathlib import Path

from runs_mcp.cli.install.jsonc import NotEditableError


def refuse_unexpected_link(file: Path, home: Path) -> None:
    """Refuse to write through a link that leaves the home folder or leads to a file of another user.

    Raises:
        NotEditableError: such a link leads to the file.
    """
    folder = home if file.is_relative_to(home) else file.parent
    real = file.resolve()
    if real == folder.resolve() / file.relative_to(folder):
        return
    if not real.is_relative_to(folder.resolve()):
        raise _refused(real, f"which is outside {folder}")
    if real.exists() and hasattr(os, "geteuid") and (owner := real.stat().st_uid) != os.geteuid():
        raise _refused(real, f"which belongs to another user (uid {owner})")


def _refused(real: Path, reason: str) -> NotEditableError:
    return NotEditableError(
        f"A symbolic link leads to {real}, {reason}. "
        "To go on, edit that file yourself, or replace the link by a copy of the file and run this again."
    )
