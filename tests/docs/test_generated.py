"""What of the documents the program makes is what it would make now."""

import re

import pytest

from docs.generate.__main__ import PARTS, written

pytestmark = pytest.mark.anyio

A_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
A_DURATION = re.compile(r"took [\d.]+ m?s")
AN_ID = re.compile(r"\b[0-9a-f]{24}\b")


def unchanging(text: str) -> str:
    """`text` without what differs each time: when it was made, how long it took, and the ids of new runs."""
    for pattern in (A_TIME, A_DURATION, AN_ID):
        text = pattern.sub("…", text)
    return text


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
async def test_a_part_is_what_is_made_of_the_program(part: tuple[str, str]) -> None:
    assert unchanging(written(*part)) == unchanging(await PARTS[part]()), "`python -m docs.generate` makes it anew"
