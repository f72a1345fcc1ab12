"""Redaction of the secrets in use, in each encoding in which an API may repeat them."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from runs_mcp.observability.mask import MASK, mask

SHORTEST_SECRET_CHARS = 6
"""Shorter secrets are not replaced: they would be found in ordinary words."""
SECRETS_REMEMBERED = 16
"""Tokens are renewed for as long as the process runs, and an API repeats recent tokens only. The credential stays,
because each request adds it again."""


@dataclass(frozen=True, slots=True)
class _Secret:
    plain: str
    forms: tuple[str, ...]
    """The secret in each encoding, the longest first."""
    json_forms: tuple[bytes, ...]
    """The encodings as they stand in a text, and as they stand in JSON that holds such a text."""

    @classmethod
    def encode(cls, secret: str) -> Self:
        """Return `secret` in all its encodings."""
        forms = set(_encodings(secret))
        in_json = {json.dumps(form)[1:-1] for form in forms}
        return cls(secret, _longest_first(forms), tuple(form.encode() for form in _longest_first(forms | in_json)))


class Redactor:
    """Replaces the secrets that a client uses or has recently used."""

    def __init__(self, lasting: Iterable[str] = ()) -> None:
        """`lasting` secrets are replaced until the end of the process."""
        self._lasting = tuple(map(_Secret.encode, {text for text in lasting if len(text) >= SHORTEST_SECRET_CHARS}))
        # A tuple that is replaced as a whole, because log records of other threads are redacted with it.
        self._secrets = self._lasting
        self._starts = self._find_starts()

    def add(self, secret: str) -> None:
        """Replace `secret` from now on, until 16 other secrets were added after it."""
        if len(secret) < SHORTEST_SECRET_CHARS or (self._secrets and self._secrets[-1].plain == secret):
            return
        others = [known for known in self._secrets[len(self._lasting) :] if known.plain != secret]
        self._secrets = (*self._lasting, *[*others, _Secret.encode(secret)][-SECRETS_REMEMBERED:])
        self._starts = self._find_starts()

    def redact(self, text: str) -> str:
        """Return `text` with every secret in use replaced by `[secret]`."""
        for secret in self._secrets:
            for form in secret.forms:
                if form in text:
                    text = text.replace(form, MASK)
        return text

    def redact_error(self, text: str) -> str:
        """Return `text` without the secrets in use and without anything that looks like a credential."""
        return mask(self.redact(text))

    def redact_json(self, content: bytes) -> bytes:
        """Return JSON with every secret in use replaced by `[secret]`."""
        for secret in self._secrets:
            for form in secret.json_forms:
                if form in content:
                    content = content.replace(form, MASK.encode())
        return content

    def is_in_json(self, content: bytes) -> bool:
        """Return True if JSON holds a secret in use."""
        return any(form in content for secret in self._secrets for form in secret.json_forms)

    def may_begin_in(self, text: str) -> bool:
        """Return False if no secret in use begins in `text`, which takes far less time than a search for each."""
        return self._starts.search(text) is not None

    def open_end(self, text: str) -> int:
        """Return the index in `text` at which a secret may begin that the end of the text cuts off; else its length."""
        forms = [form for secret in self._secrets for form in secret.forms]
        longest = max(map(len, forms), default=0)
        for start in self._starts.finditer(text, max(len(text) - longest + 1, 0)):
            rest = text[start.start() :]
            if any(form.startswith(rest) for form in forms):
                return start.start()
        return len(text)

    def _find_starts(self) -> re.Pattern[str]:
        """Return an expression for the first character of each form before its second or the end of the text."""
        forms = (form for secret in self._secrets for form in secret.forms)
        starts = {rf"{re.escape(form[0])}(?={re.escape(form[1])}|\Z)" for form in forms}
        return re.compile("|".join(sorted(starts)) or r"(?!)")  # (?!) matches nowhere


class StreamRedactor:
    """Replaces secrets in a text that arrives in pieces: holds back the end of a piece that may begin a secret."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that can be shown after `piece`."""
        text = self._held + piece
        if not self._redactor.may_begin_in(text):
            self._held = ""
            return text
        text = self._redactor.redact(text)
        end = self._redactor.open_end(text)
        self._held = text[end:]
        return text[:end]

    def end(self) -> str:
        """Return the held rest, at the end of the text."""
        held, self._held = self._held, ""
        return held


def _longest_first(forms: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(forms, key=len, reverse=True))


def _encodings(secret: str) -> Iterator[str]:
    yield secret
    for percent in (quote(secret, safe=""), quote(secret)):
        yield percent
        yield _lower_hex(percent)
    escaped = json.dumps(secret)[1:-1]
    yield escaped
    yield escaped.replace("/", "\\/")
    yield "".join(c if c.isalnum() or c in "-._ " else f"\\u{ord(c):04x}" for c in secret)
    yield "".join(c if c.isalnum() or c in "-._ " else f"\\u{ord(c):04X}" for c in secret)
    yield html.escape(secret)
    yield from _base64_fragments(secret)


def _lower_hex(percent: str) -> str:
    first, *others = percent.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in others)])


def _base64_fragments(secret: str) -> Iterator[str]:
    """Yield the base64 of `secret` as it stands inside longer data, such as `user:secret`, for each of 3 alignments."""
    raw = secret.encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        first = (before * 8 + 5) // 6  # the characters before this index depend on the bytes in front too
        last = (before + len(raw)) * 8 // 6  # and those after this index on the bytes behind
        fragment = encoded[first:last]
        if len(fragment) >= SHORTEST_SECRET_CHARS:
            yield fragment
            yield fragment.replace("+", "-").replace("/", "_")
