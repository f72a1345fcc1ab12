"""Containment of crashes: an unexpected exception is logged, and its text never leaves the process.

The SDK sends the text of an unexpected exception to clients of the handshake era. It could contain a credential.
"""

import logging
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from pydantic import ValidationError

log = logging.getLogger(__name__)


async def contain_crash(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Answer a request; log an unexpected exception and raise an error without its text instead.

    Raises:
        MCPError: the request was refused, or its handler crashed.
        ValidationError: the parameters of the request are invalid.
    """
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except Exception:
        log.exception("%s crashed", ctx.method)
        raise MCPError(INTERNAL_ERROR, "The request failed inside the server; its log has the details.") from None
