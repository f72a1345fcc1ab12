"""The questions about numbers: every answer is correct and costs little."""

import pytest

from evals.number_questions import QUESTIONS
from evals.numbers import Cost, Score, score_all, table, within_bounds

pytestmark = pytest.mark.anyio


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_every_answer_is_right_in_two_calls_and_few_characters() -> None:
    scores = await score_all(False)
    assert [one.answer for one in scores if not one.right] == []
    assert [one.id for one in scores if not within_bounds(one.ours)] == []
    assert len(scores) == len({one.id for one in QUESTIONS}) == 20


def test_a_wrong_or_costly_answer_is_reported() -> None:
    scores = [Score("median", right=False, answer="about 3", ours=Cost(3, 100), generated=Cost(7, 9_000))]
    assert "wrong: median: about 3" in table(scores)
    assert "9,000" in table(scores)
    assert not within_bounds(Cost(3, 100))
    assert not within_bounds(Cost(1, 3_001))
