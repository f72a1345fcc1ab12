"""Files that other programs read or change at the same time."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def replace(file: Path, text: str, prepare: Callable[[int], None]) -> None:
    """Write `file` atomically, so that no program reads half of it; `prepare` sets owner and mode of a descriptor.

    Raises:
        OSError: it cannot be written.
    """
    # In the same folder, because a rename is atomic within a file system only; mkstemp creates it with mode 600.
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as replacement:
            replacement.write(text.encode())
            prepare(descriptor)
            replacement.flush()
            os.fsync(descriptor)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def state(file: Path) -> tuple[int, int, int] | None:
    """Return a value that differs after each change of `file`; None if the file does not exist."""
    # The inode as well: a file can be replaced by one of equal size within the resolution of the modification time.
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
