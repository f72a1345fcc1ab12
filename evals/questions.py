"""The questions and the check of their answers."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QUESTIONS = Path(__file__).parent / "questions.json"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about the runs of the sandbox, with a known answer."""

    id: str
    kind: str
    question: str
    expects: Sequence[str]
    """Words or numbers that a correct answer contains."""
    rejects: Sequence[str] = ()
    """Words or numbers that only a wrong answer contains."""

    def is_answered_by(self, answer: str) -> bool:
        """Return true if `answer` is correct."""
        return all(_holds(answer, word) for word in self.expects) and not any(
            _holds(answer, word) for word in self.rejects
        )


def questions() -> list[Question]:
    """Return all questions, in the order of the file."""
    return [Question(**question) for question in json.loads(QUESTIONS.read_text(encoding="utf-8"))]


def _holds(answer: str, word: str) -> bool:
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", answer)
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-]|\.\d)", plain, re.IGNORECASE) is not None
