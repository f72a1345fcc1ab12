"""Redaction of text, whole or in pieces: both give the same text, wherever the pieces end."""

from collections.abc import Sequence
from typing import Protocol

from runs_mcp.server.privacy.personal_data import Pattern, pattern_of


class _Match(Protocol):
    def start(self) -> int: ...
    def end(self) -> int: ...


class _Expression(Protocol):
    def search(self, text: bytes, pos: int = 0) -> _Match | None: ...


class TextRedactor:
    """Replaces personal data in texts by the name of its kind, e.g. `[email]`."""

    def __init__(self, kinds: Sequence[str]) -> None:
        """Redact `kinds`: `email`, `phone`, `iban`, `card`, or RE2 expressions between slashes.

        Raises:
            ValueError: an expression is invalid.
        """
        # Kinds whose candidates are validated come first: a card number is no phone number.
        ordered = sorted(dict.fromkeys(kinds), key=lambda kind: (kind.startswith("/"), kind not in ("iban", "card")))
        self._rules = [_Rule(pattern_of(kind)) for kind in ordered]

    def redact(self, text: str) -> str:
        """Return `text` with everything that matches replaced."""
        for rule in self._rules:
            text = rule.redact(text)
        return text

    def pieces(self) -> "RedactedPieces":
        """Return a redactor for one text that arrives in pieces."""
        return RedactedPieces(self._rules)


class RedactedPieces:
    """A redactor for one text that arrives in pieces. It withholds what may be the beginning of a match."""

    def __init__(self, rules: "Sequence[_Rule]") -> None:
        self._stages = [_Stage(rule) for rule in rules]

    def feed(self, piece: str) -> str:
        """Return the redacted text that no later piece can change."""
        for stage in self._stages:
            piece = stage.feed(piece)
        return piece

    def end(self) -> str:
        """Return the redacted rest of the text."""
        rest = ""
        for stage in self._stages:
            rest = stage.feed(rest) + stage.end()
        return rest


class _Rule:
    """A pattern, compiled."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._expression = _compile(pattern.expression)
        self._beginning = _compile(pattern.beginning)

    def redact(self, text: str) -> str:
        """Return `text` with every match replaced."""
        encoded = text.encode(errors="surrogatepass")
        return self.scan(encoded, 0, whole=True)[0].decode(errors="surrogatepass")

    def scan(self, text: bytes, position: int, *, whole: bool) -> tuple[bytes, int]:
        """Return the redacted text from `position` on, up to the position after it, which is also returned.

        A text that is not `whole` is scanned up to the first position that may begin a match with what follows.
        """
        limit = len(text) if whole else self._undecided(text, position)
        replaced = bytearray()
        search_from = position
        while (match := self._expression.search(text, search_from)) and match.start() < limit:
            start, end = match.start(), match.end()
            if end == len(text) and not whole:
                limit = start
                break
            length = self._pattern.valid_length(text[start:end].decode(errors="surrogatepass"))
            if not length or start == end:
                search_from = start + 1
                continue
            replaced += text[position:start] + f"[{self._pattern.name}]".encode()
            position = search_from = start + len(text[start:end].decode(errors="surrogatepass")[:length].encode())
        if limit > position:
            replaced += text[position:limit]
            position = limit
        return bytes(replaced), position

    def _undecided(self, text: bytes, position: int) -> int:
        found = self._beginning.search(text, position)
        return found.start() if found else len(text)


class _Stage:
    """The progress of one rule through a text that arrives in pieces."""

    def __init__(self, rule: _Rule) -> None:
        self._rule = rule
        self._pending = b""
        self._position = 0
        """Position in `pending` of the first byte to return. The byte before shows whether a word begins there."""

    def feed(self, piece: str) -> str:
        """Return what is certain after `piece`."""
        return self._scan(piece.encode(errors="surrogatepass"), whole=False)

    def end(self) -> str:
        """Return the rest."""
        return self._scan(b"", whole=True)

    def _scan(self, piece: bytes, *, whole: bool) -> str:
        self._pending += piece
        shown, position = self._rule.scan(self._pending, self._position, whole=whole)
        kept_from = max(position - 1, 0)
        self._pending, self._position = self._pending[kept_from:], position - kept_from
        return shown.decode(errors="surrogatepass")


def _compile(expression: str) -> _Expression:
    """Return a compiled RE2 expression, which matches in linear time.

    Raises:
        ValueError: it is invalid.
    """
    import re2  # noqa: PLC0415 - a native library that few servers need

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: _Expression = re2.compile(expression, options)
    except re2.error as error:
        raise ValueError(f"{expression!r} is not an RE2 expression: {error}") from None
    return compiled
