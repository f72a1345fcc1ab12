"""The pictures match the current program."""

import pytest

from docs.generate.__main__ import DOCS
from docs.generate.demo_picture import draw, headings, record, text_of

RECORDING = (DOCS / "demo.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_recording_shows_the_output_of_the_demo() -> None:
    shown = headings(text_of(RECORDING))
    assert shown
    assert shown == headings(text_of(draw(record())))


def test_the_recording_fetches_nothing_and_reveals_no_machine() -> None:
    assert "url(" in RECORDING
    assert "url(http" not in RECORDING.replace('"', "")
    assert ".venv/bin/python3" in text_of(RECORDING)
