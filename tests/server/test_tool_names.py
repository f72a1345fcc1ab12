"""Names of the tools of interactions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runs_mcp.server.interactions.tool_names import tool_names


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("TranslateNote", "run_translate_note"),
        ("billing:Invoice", "run_billing_invoice"),
        ("app:crm:ScoreLead", "run_app_crm_score_lead"),
        ("Résumé v2", "run_resume_v2"),
        ("HTTPServer", "run_http_server"),
    ],
)
def test_a_name_is_the_endpoint_in_snake_case(endpoint: str, name: str) -> None:
    assert tool_names([endpoint]) == [name]


def test_other_scripts_collisions_and_long_names_get_a_hash() -> None:
    names = tool_names(["文書要約", "ReviewText", "review_text", "Summary", "x" * 100])
    assert names[0].startswith("run_interaction_")
    assert re.fullmatch(r"run_review_text_[0-9a-f]{6}", names[1])
    assert names[1] != names[2]
    assert names[3] == "run_summary"
    assert len(names[4]) == 64


def test_names_do_not_depend_on_the_order() -> None:
    endpoints = ["ReviewText", "Summary", "review_text"]
    assert tool_names(endpoints) == tool_names(endpoints[::-1])[::-1]


@given(some.lists(some.text(min_size=1, max_size=80), unique=True, max_size=20))
def test_names_are_always_unique_and_legal(endpoints: list[str]) -> None:
    names = tool_names(endpoints)
    assert len(set(names)) == len(endpoints)
    assert all(re.fullmatch(r"run_[a-z0-9_]{1,60}", name) for name in names)
