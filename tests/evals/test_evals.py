"""The evals: the reference agent answers every question, and a wrong answer is reported as wrong."""

import json
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp.client import Client

from evals.questions import Question, questions
from evals.reference_agent import PLANS, answer, tool_of
from evals.run import main
from runs_mcp.sandbox import Sandbox, SandboxOptions, running


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A new sandbox, because some answers create runs and others count them."""
    async with running(SandboxOptions()) as started:
        yield started


@pytest.mark.anyio
@pytest.mark.parametrize("question", questions(), ids=lambda question: question.id)
async def test_the_reference_agent_answers_each_question_in_few_calls(question: Question, client: Client) -> None:
    tool, called = tool_of(client), list[str]()

    async def recorded(name: str, **arguments: Any) -> dict[str, Any]:
        called.append(name)
        return await tool(name, **arguments)

    given = str(await answer(question.question, recorded))
    assert question.is_answered_by(given), given
    assert 1 <= len(called) <= 2


@pytest.mark.slow
def test_the_command_scores_an_agent_that_starts_the_server(tmp_path: Path) -> None:
    report = tmp_path / "scores.json"
    result = CliRunner().invoke(main, ["--only", "again", "--json", str(report)])
    [score] = json.loads(report.read_text(encoding="utf-8"))
    assert (result.exit_code, score["right"], score["calls"], score["failed_calls"]) == (0, True, 2, 0), score["answer"]
    assert score["tokens"] > 0


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
