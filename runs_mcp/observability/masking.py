"""Masking what looks like a credential, in whatever leaves the process."""

import re

_SECRET = re.compile(
    r"(?P<query>(?:access_token|token)=)[^\s&\"']+"
    r"|(?P<bearer>[Bb]earer\s+)[\w.~+/=-]+"
    r"|\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"
    r"|\b(?:[sp]k-|rmk_)[\w-]{4,}"
)
MASK = "[secret]"


def mask(text: str) -> str:
    """`text` with every JWT, API key, caller's key, bearer token and token parameter replaced."""
    return _SECRET.sub(lambda found: f"{found['query'] or found['bearer'] or ''}{MASK}", text)


def one_line(text: str) -> str:
    """What somebody else wrote, on one line and without control characters, so that it cannot pass for ours."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in line)
