"""The filter for secrets in use: text of the API that contains a secret, in any encoding, leaves as `[secret]`."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel
from typing_extensions import override

from runs_mcp.observability.logs import FIELDS
from runs_mcp.server.context import Request
from runs_mcp.server.render.portable_json import compact_json

Redact = Callable[[str], str]


async def filter_secrets(ctx: Request, call_next: CallNext) -> HandlerResult:
    """Answer a request with the secrets in use replaced in its result or error.

    Raises:
        MCPError: the request was refused.
    """
    runs = ctx.lifespan_context.runs
    try:
        result = await call_next(ctx)
    except MCPError as error:
        raise MCPError(error.code, runs.redact(error.message), _clean(error.data, runs.redact)) from None
    # A search in the JSON is faster than a search in each text.
    if not runs.holds_secret(compact_json(result)):
        return result
    plain = (
        result.model_dump(by_alias=True, mode="json", exclude_none=True) if isinstance(result, BaseModel) else result
    )
    cleaned: HandlerResult = _clean(plain, runs.redact)
    return cleaned


def _clean(value: Any, redact: Redact) -> Any:
    match value:
        case str():
            return redact(value)
        case dict():
            return {_clean(name, redact): _clean(item, redact) for name, item in value.items()}
        case list() | tuple():
            return [_clean(item, redact) for item in value]
        case _:
            return value


class _LogFilter(logging.Filter):
    """Removes secrets from records before a handler writes them."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redact(record.getMessage()), None
        fields = _clean(dict(getattr(record, FIELDS, {})), self._redact)
        if record.exc_info:
            fields["traceback"] = self._redact("".join(traceback.format_exception(*record.exc_info)))
            record.exc_info = None
        setattr(record, FIELDS, fields)
        return True


@contextmanager
def filtered_logs(redact: Redact) -> Iterator[None]:
    """Replace secrets in log records for the duration of the block."""
    handlers, added = list(logging.getLogger().handlers), _LogFilter(redact)
    for handler in handlers:
        handler.addFilter(added)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(added)
