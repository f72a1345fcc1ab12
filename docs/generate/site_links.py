"""Hook of MkDocs: links to files outside `docs/` lead to the repository, since the site has no pages for them."""

import re
from typing import Any

REPOSITORY = "https://github.com/runs-mcp/runs-mcp/blob/main/"
_OUTSIDE = re.compile(r"\]\((?:\.\./)+(?P<path>[^)]*)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the text of a page with its links to files of the repository as URLs."""
    depth = page.file.src_uri.count("/")
    outside = "../" * (depth + 1)

    def absolute(link: re.Match[str]) -> str:
        return f"]({REPOSITORY}{link['path']})" if link[0].startswith(f"]({outside}") else link[0]

    return _OUTSIDE.sub(absolute, markdown)
