"""Run an agent on all questions and score its answers, its calls and the characters it read.

The agent is any command. It is started for each question, with the question on standard input and the command of a
stdio MCP server in the variable MCP_SERVER, as a JSON list. It prints its answer.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from evals.questions import Question, questions

REFERENCE = shlex.join([sys.executable, "-m", "evals.reference_agent"])
CHARS_PER_TOKEN = 4
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Score:
    """Score of an agent for one question."""

    id: str
    kind: str
    right: bool
    answer: str
    calls: int
    failed_calls: int
    tokens: int
    """Estimated tokens of the arguments and results: characters / 4."""
    seconds: float


@click.command()
@click.option("--agent", default=REFERENCE, help="Command of the agent. Default: the scripted reference agent.")
@click.option("--only", multiple=True, help="Id of a question; can be repeated. Default: all.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Concurrent questions.")
@click.option("--json", "report", type=click.Path(path_type=Path), help="File for the scores.")
def main(*, agent: str, only: Sequence[str], jobs: int, report: Path | None) -> None:
    """Run an agent on questions about the runs of the sandbox. Exit code 1: an answer is wrong."""
    asked = [question for question in questions() if not only or question.id in only]
    with ThreadPoolExecutor(jobs) as pool:
        scores = list(pool.map(partial(score, agent), asked))
    if report:
        report.write_text(json.dumps([asdict(score) for score in scores], indent=2), encoding="utf-8")
    click.echo(table(scores))
    sys.exit(0 if all(score.right for score in scores) else 1)


def score(agent: str, question: Question) -> Score:
    """Ask `agent` a question, with a new server."""
    with tempfile.TemporaryDirectory() as folder:
        log, started = Path(folder) / "calls.jsonl", time.perf_counter()
        answer = _answer(agent, question, [sys.executable, "-m", "evals.call_recorder", str(log)])
        seconds = time.perf_counter() - started
        calls = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    return Score(
        question.id,
        question.kind,
        question.is_answered_by(answer),
        answer.strip(),
        len(calls),
        sum(call["failed"] for call in calls),
        sum(call["asked_chars"] + call["answered_chars"] for call in calls) // CHARS_PER_TOKEN,
        seconds,
    )


def table(scores: Sequence[Score]) -> str:
    """Return the wrong answers and a table with a line for each kind of question and the total."""
    wrong = [f"wrong: {score.id}: {score.answer[:200] or '(nothing)'}" for score in scores if not score.right]
    kinds = list(dict.fromkeys(score.kind for score in scores))
    rows = [_row(kind, [score for score in scores if score.kind == kind]) for kind in kinds]
    head = f"{'kind':<12} {'right':>7} {'calls':>6} {'failed':>7} {'tokens':>8} {'seconds':>8}"
    return "\n".join([*wrong, head, *rows, _row("all", scores)])


def _row(label: str, scores: Sequence[Score]) -> str:
    def total(name: str) -> Any:
        return sum(getattr(score, name) for score in scores)

    right = f"{total('right')}/{len(scores)}"
    counts = f"{total('calls'):>6} {total('failed_calls'):>7} {total('tokens'):>8,}"
    return f"{label:<12} {right:>7} {counts} {total('seconds'):>8.1f}"


def _answer(agent: str, question: Question, server: Sequence[str]) -> str:
    environment = {**os.environ, "MCP_SERVER": json.dumps(server)}
    try:
        finished = subprocess.run(  # noqa: S603 - the command given by the user
            shlex.split(agent),
            input=question.question,
            env=environment,
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return ""
    return finished.stdout


if __name__ == "__main__":
    main()
