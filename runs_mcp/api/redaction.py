"""Redaction of the secrets in use, in each encoding in which an API may repeat them."""

import base64
import html
import json
from collections import deque
from collections.abc import Iterator
from urllib.parse import quote

from runs_mcp.observability.masking import MASK, mask

SHORTEST_SECRET_CHARS = 6
"""Shorter secrets are not replaced: they would be found in ordinary words."""
SECRETS_REMEMBERED = 16
"""Tokens are renewed for as long as the process runs; an API repeats recent tokens only."""


class Redactor:
    """Replaces the secrets that a client uses or has recently used."""

    def __init__(self) -> None:
        self._forms: deque[tuple[str, tuple[str, ...]]] = deque(maxlen=SECRETS_REMEMBERED)

    def add(self, secret: str) -> None:
        """Replace `secret` from now on."""
        if len(secret) >= SHORTEST_SECRET_CHARS and all(secret != known for known, _ in self._forms):
            self._forms.append((secret, tuple(sorted(set(_encodings(secret)), key=len, reverse=True))))

    def redact(self, text: str) -> str:
        """Return `text` with every secret in use replaced by `[secret]`."""
        for _, forms in self._forms:
            for form in forms:
                if form in text:
                    text = text.replace(form, MASK)
        return text

    def redact_error(self, text: str) -> str:
        """Return `text` without the secrets in use and without anything that looks like a credential."""
        return mask(self.redact(text))


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
