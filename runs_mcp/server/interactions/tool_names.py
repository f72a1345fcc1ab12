"""Names of the tools of interactions: unique, at most 64 characters, letters, digits and `_`."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

PREFIX = "run_"
LONGEST = 64
MARK = 6
"""Characters of the hash in names that would otherwise be the same."""


def tool_names(endpoints: Sequence[str]) -> list[str]:
    """Return a tool name for each of `endpoints`, e.g. `run_translate_note` for `TranslateNote`.

    Endpoints of the same name, in other scripts or too long get a hash, so that a name does not depend on the order.
    """
    plain = [snake_case(endpoint) for endpoint in endpoints]
    count = Counter(plain)
    return [
        PREFIX + (name if name and count[name] == 1 and len(PREFIX + name) <= LONGEST else _marked(name, endpoint))
        for name, endpoint in zip(plain, endpoints, strict=True)
    ]


def snake_case(name: str) -> str:
    """Return `name` in lower case, its words joined by `_`; empty if a letter of it has no ASCII form."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    if sum(map(str.isalnum, ascii_only)) < sum(map(str.isalnum, name)):
        return ""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", ascii_only)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _marked(name: str, endpoint: str) -> str:
    mark = hashlib.sha256(endpoint.encode()).hexdigest()[:MARK]
    room = LONGEST - len(PREFIX) - MARK - 1
    return f"{name[:room].strip('_') or 'interaction'}_{mark}"
