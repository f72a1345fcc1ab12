"""Masking of credentials and of misleading characters in text that leaves the process."""

import re

# By shape: query parameters, bearer tokens (RFC 6750), JWTs (a JSON header always begins with `eyJ`), keys of the API
# and of this server. `RunsClient.redact` masks the secrets in use, whatever their shape.
_SECRET = re.compile(
    r"(?P<query>(?:access_token|token)=)[^\s&\"']+"
    r"|(?P<bearer>[Bb]earer\s+)[\w.~+/=-]+"
    r"|\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"
    r"|\b(?:[sp]k-|rmk_)[\w-]{4,}"
)
_PARTS = ("token=", "earer", "eyJ", "sk-", "pk-", "rmk_")
"""Texts of which every match of `_SECRET` contains one. Most texts contain none, and searching for them is faster."""
MASK = "[secret]"

_HIDDEN = re.compile(
    "["
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed; U+009B begins a terminal's command
    r"\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"  # direction of writing: text would be displayed in another order
    r"\xad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # no width
    r"\u115f\u1160\u3164\uffa0"  # letters without a shape
    r"\u2028\u2029"  # ends of lines
    r"\ud800-\udfff"  # halves of characters, which UTF-8 cannot hold
    r"\U000e0000-\U000e0fff"  # tags and selectors that can carry invisible text
    "]"
)
"""Characters that are invisible or change the order of visible text (Unicode TR 36, TR 39).

U+200C and U+200D are not included: Persian, the scripts of India and composed emoji need them.
"""
_PLAIN = re.compile(r"[\t\n -~\xa0-\xac\xae-\u061b\u2010-\u2027\u20ac]*+")
"""Text of European scripts and Hebrew, with their punctuation, without hidden characters."""


def mask(text: str) -> str:
    """Return `text` with every JWT, API key, caller's key, bearer token and token parameter replaced."""
    if not any(part in text for part in _PARTS):
        return text
    return _SECRET.sub(lambda match: f"{match['query'] or match['bearer'] or ''}{MASK}", text)


def show_hidden(text: str) -> str:
    """Return `text` with hidden characters written out, e.g. `<U+202E>`; line feeds and tabs stay."""
    # A match takes a fraction of the time of a search, and most texts are plain.
    if _PLAIN.fullmatch(text):
        return text
    return _HIDDEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return `text` on one line with hidden characters written out, so that it cannot imitate a line of the server."""
    return show_hidden(" ".join(text.split()))
