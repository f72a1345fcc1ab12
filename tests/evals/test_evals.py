"""The evals: the reference agent answers everything, and a wrong answer is seen to be wrong."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from evals.questions import Question, questions
from evals.reference_agent import PLANS
from evals.run import main


@pytest.mark.timeout(400)
@pytest.mark.slow
def test_the_reference_agent_answers_every_question_in_few_calls(tmp_path: Path) -> None:
    report = tmp_path / "scores.json"
    result = CliRunner().invoke(main, ["--json", str(report)])
    scores = json.loads(report.read_text(encoding="utf-8"))
    assert [one["answer"] for one in scores if not one["right"]] == []
    assert result.exit_code == 0
    assert len(scores) == len(questions())
    assert all(1 <= one["calls"] <= 2 for one in scores)
    assert all(one["tokens"] > 0 for one in scores)


def test_every_question_has_a_plan_and_is_asked_once() -> None:
    assert [one.id for one in questions()] == list(PLANS)
    assert len({one.question for one in questions()}) == len(questions())


def test_a_wrong_answer_is_shown_and_makes_the_exit_code_1() -> None:
    guess = shlex.join([sys.executable, "-c", "print('There are 20 runs.')"])
    result = CliRunner().invoke(main, ["--agent", guess, "--only", "total"])
    assert result.exit_code == 1
    assert "wrong: total: There are 20 runs." in result.output
    assert "0/1" in result.output


@pytest.mark.parametrize(
    ("expects", "rejects", "answer", "right"),
    [
        (["200"], [], "There are 200.", True),
        (["2000"], [], "There are 2,000 runs.", True),
        (["20"], [], "There are 200.", False),
        (["20"], [], "20.5 on average", False),
        (["20"], [], "v1.20", False),
        (["gpt-4o"], [], "gpt-4o-mini", False),
        (["gpt-4o-mini"], ["gpt-4o"], "It is gpt-4o-mini.", True),
        (["gpt-4o-mini"], ["gpt-4o"], "gpt-4o-mini or gpt-4o", False),
        (["ab12", "cd34"], [], "AB12 and cd34", True),
        (["ab12", "cd34"], [], "ab12", False),
        (["20"], [], "", False),
    ],
)
def test_answers_are_judged_by_their_phrases(expects: list[str], rejects: list[str], answer: str, right: bool) -> None:
    assert Question("q", "count", "?", expects, rejects).is_answered_by(answer) is right
