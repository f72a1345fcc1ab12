"""JSON as the API sends it, from whatever was sent instead."""

import re
from typing import Any

from pydantic_core import from_json

_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""Half of a character, which JavaScript writes where it cut a text, and no UTF-8 can hold."""


def decoded(sent: bytes | str) -> Any:
    """What the JSON `sent` says, with half characters replaced.

    Raises:
        ValueError: it is no JSON, or nested or gigantic beyond use.
    """
    try:
        return from_json(sent)
    except ValueError:
        raw = sent.encode(errors="replace") if isinstance(sent, str) else sent
        repaired, count = _LONE_SURROGATE.subn(rb"\\ufffd", raw)
        if not count:
            raise
        return from_json(repaired)
