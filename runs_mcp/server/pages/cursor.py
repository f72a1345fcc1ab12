"""Cursors of paginated lists: an offset, opaque to clients."""

import base64
import binascii
import re

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, PaginatedRequestParams

_CURSOR = re.compile(rb"offset:(\d{1,9})")


def encode(offset: int) -> str:
    """Return the cursor of the page that begins at item `offset`."""
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode()


def offset_of(params: PaginatedRequestParams | None) -> int:
    """Return the offset of a list request; 0 without a cursor.

    Raises:
        MCPError: the cursor was not issued by this server.
    """
    if params is None or params.cursor is None:
        return 0
    try:
        found = _CURSOR.fullmatch(base64.b64decode(params.cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    # MCP: invalid cursors result in an error with code -32602 ("Pagination", "Error Handling").
    # The comparison rejects other spellings, since base64 and numbers have several.
    if found is None or encode(int(found[1])) != params.cursor:
        raise unknown()
    return int(found[1])


def require_first_page(params: PaginatedRequestParams | None) -> None:
    """Reject every cursor, for a list that has a single page and therefore issues none.

    Raises:
        MCPError: the request has a cursor.
    """
    if params is not None and params.cursor is not None:
        raise unknown()


def unknown() -> MCPError:
    """Return the error for a cursor that this server has not issued."""
    return MCPError(INVALID_PARAMS, "Unknown cursor. List again without one.")
