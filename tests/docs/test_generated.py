"""The generated parts of the documents are up to date."""

import pytest

from docs.generate.__main__ import PARTS, current_text, without_volatile

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
async def test_generated_parts_are_up_to_date(part: tuple[str, str]) -> None:
    assert without_volatile(current_text(*part)) == without_volatile(await PARTS[part]()), (
        "`python -m docs.generate` updates it"
    )
