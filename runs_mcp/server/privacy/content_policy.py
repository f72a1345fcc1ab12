"""The policy that decides how much of the content of runs may leave the server."""

from collections.abc import Sequence
from typing import Any, Literal

from typing_extensions import override

from runs_mcp.api import ContentFilter, Run, TextFilter
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import ServerSettings
from runs_mcp.server.privacy.text_redactor import TextRedactor

FACTS = frozenset(
    {
        *("id", "_id", "status", "interaction", "environment", "modelId", "version", "tags", "parent", "object"),
        *("created_at", "updated_at", "started_at", "ended_at", "execution_time", "token_use", "finish_reason"),
        *("account", "project", "source", "created_by", "updated_by", "workflow", "ancestors", "inference_profile"),
    }
)
"""Fields of a run that are no content. A field that is not known may be content."""
NOT_SHOWN = "The content of runs is not shown here (server.content is none)."


class ContentPolicy(ContentFilter):
    """Hides the content of runs, or redacts personal data in it."""

    def __init__(self, content: Literal["full", "none"], redact: Sequence[str]) -> None:
        self._hides = content == "none"
        self._redactor = TextRedactor(redact)

    @override
    def filter_run(self, run: Run) -> Run:
        """Return `run` with the content that may leave the server."""
        return Run({name: self._field(name, value) for name, value in run.raw.items() if self._shows(name)})

    @override
    def filter_message(self, message: str) -> str:
        """Return the part of an error message that may leave the server; a message may quote the input of a run."""
        return "" if self._hides else self._redactor.redact(message)

    @override
    def filter_text(self) -> TextFilter:
        """Return a filter for the text of one stream."""
        return HiddenText() if self._hides else self._redactor.pieces()

    def _shows(self, name: str) -> bool:
        return not self._hides or name in FACTS or name == "error"

    def _field(self, name: str, value: Any) -> Any:
        if name in FACTS:
            return value
        if self._hides:  # of an error, its message may quote the input
            return {"code": value.get("code")} if isinstance(value, dict) else None
        return self._redacted(value)

    def _redacted(self, value: Any) -> Any:
        match value:
            case str():
                return self._redactor.redact(value)
            case bool() | None:
                return value
            case int() | float():
                text = str(value)
                redacted = self._redactor.redact(text)
                return value if redacted == text else redacted
            case dict():
                return {self._redactor.redact(name): self._redacted(item) for name, item in value.items()}
            case list():
                return [self._redacted(item) for item in value]
            case _:
                return value


class HiddenText(TextFilter):
    """A filter that shows no text."""

    @override
    def feed(self, piece: str) -> str:
        """Return no text."""
        return ""

    @override
    def end(self) -> str:
        """Return no text."""
        return ""


def content_policy(settings: ServerSettings) -> ContentPolicy | None:
    """Return the policy that `server.content` and `server.redact` describe; None if they show everything.

    Raises:
        ConfigError: an expression in `server.redact` is invalid.
    """
    if settings.content == "full" and not settings.redact:
        return None
    try:
        return ContentPolicy(settings.content, settings.redact)
    except ValueError as error:
        raise ConfigError(f"server.redact: {error}.") from None
