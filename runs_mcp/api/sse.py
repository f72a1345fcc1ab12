"""Server-sent events, as the HTML standard has them: bytes in, as they come, and events out."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event: its name, `message` unless it said so, and its data."""

    name: str
    data: str


class Decoder:
    """Reads one stream. An event counts only with the blank line behind it; its id and retry are not used here."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._after_return = False
        self._line: list[str] = []
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerSentEvent]:
        """The events that `piece` completes."""
        text = self._text.decode(piece)
        if self._after_return:
            text = text.removeprefix("\n")  # which ended the same line
        self._after_return = text.endswith("\r")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines[:-1]:
            self._line.append(line)
            if event := self._take("".join(self._line)):
                yield event
            self._line.clear()
        self._line.append(lines[-1])

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            event = ServerSentEvent(self._name or "message", "\n".join(self._data))
            complete = self._name or self._data
            self._name, self._data = "", []
            return event if complete else None
        field, _, value = line.partition(":")
        if field == "data":
            self._data.append(value.removeprefix(" "))
        elif field == "event":
            self._name = value.removeprefix(" ")
        return None
