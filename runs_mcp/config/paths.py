"""Paths of files, as people write them in settings, options and arguments."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def expand_home(path: Path) -> Path:
    """Return `path` with a leading `~` replaced by the home folder; unchanged if that folder is unknown."""
    try:
        return path.expanduser()
    except RuntimeError:  # `~name` of a user that does not exist
        return path


FilePath = Annotated[Path, AfterValidator(expand_home)]
"""A setting that is the path of a file."""
