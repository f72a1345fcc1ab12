"""A file that leads a browser to an address, so that the address is no argument of the browser's process.

Every user of the machine can list the arguments of processes; the folder of the file is open to its owner alone.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Opening the dashboard</title>
<meta http-equiv="refresh" content="0; url={0}">
<p><a href="{0}">Open the dashboard</a></p>
"""


@contextmanager
def redirect_file() -> Iterator[Path]:
    """Yield the path for such a file, and remove the file at the end."""
    with tempfile.TemporaryDirectory(prefix="runs-mcp-", ignore_cleanup_errors=True) as folder:  # mode 0700
        yield Path(folder) / "dashboard.html"


def write_redirect(file: Path, address: str) -> None:
    """Write a page to `file` that goes on to `address`."""
    file.touch(mode=0o600)
    file.write_text(PAGE.format(escape(address)), encoding="utf-8")
