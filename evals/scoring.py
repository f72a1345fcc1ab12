"""The questions, and whether an answer to one is right."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QUESTIONS = Path(__file__).parent / "questions.json"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about the sandbox's two hundred runs, whose answer can be checked."""

    id: str
    kind: str
    question: str
    expects: Sequence[str]
    """What a right answer holds, each as a word of its own."""
    rejects: Sequence[str] = ()
    """What only a wrong answer holds."""

    def is_answered_by(self, answer: str) -> bool:
        """Whether `answer` is right."""
        return all(_holds(answer, word) for word in self.expects) and not any(
            _holds(answer, word) for word in self.rejects
        )


def questions() -> list[Question]:
    """All questions, in the order of the file."""
    return [Question(**one) for one in json.loads(QUESTIONS.read_text(encoding="utf-8"))]


def _holds(answer: str, word: str) -> bool:
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", answer)
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-]|\.\d)", plain, re.IGNORECASE) is not None
