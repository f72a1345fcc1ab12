"""House style: phrases that the documentation, messages and docstrings avoid, with the words to use instead."""

import re
from collections.abc import Iterator, Mapping

PRONOUNS = "that|such|which|each|the same|the right|the wrong|the other|the first|the last|the new|the old"

PHRASES: Mapping[str, str] = {
    r"\bthere (?:is|are) (?:not|none)\b": "name the missing thing, or use “unknown”",
    r"\bwhat there (?:is|are|was|were)\b": "name the thing",
    r"\b(?:is|are) said\b": "use “reports”, “returns” or “prints”",
    r"\blook(?:s|ed|ing)? at\b": "use “read”, “check” or “inspect”",
    r"\bwho(?:m|so)?ever\b": "name the person or program",
    r"\b(?:some|any|no)body\b": "name the person or program, or use “no client”",
    r"\bby (?:itself|themselves)\b": "use “automatically” or name the cause",
    r"\b(?:in|with) words\b": "use “message” or “text”",
    r"\bbecomes? of\b": "say what happens",
    r"\b(?:for|by|to|of|from|with) who\b": "name the person or program",
    r"\bof (?:yours|ours|theirs)\b": "use “your”, “our” or “their”",
    r"\bstands? in for\b": "use “replaces”",
    r"\b(?:is|are|be) told (?:of|that)\b": "use “receives” or “is notified of”",
    r"\bhear[sd]? of\b": "use “receives” or “is notified of”",
    r"\bhad rather\b|\bwant(?:s|ed) to be\b": "use “must be”",
    r"\bones\b": "repeat the noun",
    rf"\b(?:{PRONOUNS}) one\b": "repeat the noun",
    r"\bone (?:that|who|which|whose|may|has|is|does|can|was|of (?:its|their|one's) own)\b": "repeat the noun",
    r"\bone's\b": "use “your” or “its”",
    r"\bwhile the block lasts\b": "use “for the duration of the block”",
    r"\b(?:as|so) it (?:says|is said)\b": "name the action",
    r"\bhow to go on\b": "use “how to continue”",
    r"\b(?:is|are) spelled otherwise\b": "use “is misspelled”",
    r"\btakes? note\b": "use “record”",
    r"\b(?:puts? into|becomes?) words\b": "use “explains” or “text”",
    r"\bworth a look\b": "name the reason",
    r"\b(?:is|are) wanted\b": "use “is required”",
    r"\bwants (?:to|a|an|the)\b": "use “needs” or “requires”",
    r"\bwhom\b": "name the person or program",
    r"\btells? (?:why|how|what|where|who)\b": "use “explains” or “returns the reason”",
    r"\bcannot be (?:had|said)\b": "use “is unavailable” or “is unknown”",
    r"\b(?:has|have|had) (?:it|them) (?:served|kept|exported|seen)\b": "use the verb",
    r"\bwould do\b": "use “is sufficient”",
    r"\banew\b": "use “again”, or the verb with “re-”",
    r"\bcomes? along\b": "use “is included”",
    r"\bwithout end\b": "use “until cancelled” or “without limit”",
    r"\bnot told\b": "name the message or the field",
}
"""Patterns, without regard to case, and advice."""

TERMS: Mapping[str, str] = {
    r"\btold apart\b": "distinguished",
    r"\bwatchers?\b": "poller",
    r"\bwhite-?list": "allow list",
    r"\bblack-?list": "deny list",
    r"\be-mail": "email",
}
"""Words that differ from the glossary of CONTRIBUTING.md, with the preferred term."""

ADVICE = {**PHRASES, **{pattern: f"use “{term}”" for pattern, term in TERMS.items()}}
RULES = [(re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE), advice) for pattern, advice in ADVICE.items()]

CODE = re.compile(r"^( *)(`{3,}).*?^\1\2$|`[^`\n]*`|<!-- .*? -->|\]\([^)]*\)", re.MULTILINE | re.DOTALL)
"""Parts of a Markdown document without prose: fenced and inline code, comments, link targets."""


def hints(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line, counted from 0, of each phrase in `text` that the house style avoids, and advice."""
    for pattern, advice in RULES:
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()), f"“{' '.join(match.group().split())}”: {advice}"


def prose(markdown: str) -> str:
    """Return `markdown` with line breaks kept and everything that is not prose removed."""
    return CODE.sub(lambda match: "\n" * match.group().count("\n"), markdown)
