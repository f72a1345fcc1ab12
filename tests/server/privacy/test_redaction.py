"""Redaction of personal data, in whole texts and in streams."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs_mcp.server.privacy.text_redactor import TextRedactor

ALL = ("email", "phone", "iban", "card", r"/EMP-\d{6}/")
PERSONAL = (
    *("john.doe+x@mail.example.co.uk", "jürgen@müller.de", "+49 30 1234567", "(415) 555-2671", "0043/1/58858-0"),
    *("DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "4111 1111 1111 1111", "378282246310005", "EMP-123456"),
)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("email", "Write to john.doe@example.com, please.", "Write to [email], please."),
        ("email", "请联系john@example.com谢谢", "请联系[email]谢谢"),
        ("email", "a@b is no address, nor is @example.com", "a@b is no address, nor is @example.com"),
        ("phone", "Call +49 (0)30 1234-567 or 030/1234567.", "Call [phone] or [phone]."),
        ("phone", "Call (415) 555-2671.", "Call [phone]."),
        ("phone", "On 2026-11-19 at 14:00:00, run 66a1f0c2e4b0", "On 2026-11-19 at 14:00:00, run 66a1f0c2e4b0"),
        ("iban", "To DE89 3704 0044 0532 0130 00 OK", "To [iban] OK"),
        ("iban", "To DE88370400440532013000", "To DE88370400440532013000"),  # the check digits are wrong
        ("card", "4111-1111-1111-1111 until 2027", "[card] until 2027"),
        ("card", "4111 1111 1111 1112", "4111 1111 1111 1112"),  # the check digit is wrong
        (r"/EMP-\d{6}/", "EMP-123456 and EMP-12", "[redacted] and EMP-12"),
        (r"/(?i)secret/", "SeCrEt", "[redacted]"),
        (r"/x*/", "axxb", "a[redacted]b"),
    ],
)
def test_personal_data_is_replaced_by_the_name_of_its_kind(kind: str, text: str, shown: str) -> None:
    assert TextRedactor([kind]).redact(text) == shown


@pytest.mark.parametrize("expression", ["/(/", r"/(a)\1/", "/(?<=a)b/"])
def test_an_expression_without_linear_time_is_rejected(expression: str) -> None:
    with pytest.raises(ValueError, match="not an RE2 expression"):
        TextRedactor([expression])


@settings(deadline=None)
@given(st.data(), st.lists(st.sampled_from([*PERSONAL, " ", "x", ", ", "é", "\ud800", "12 ", "@", "DE"]), max_size=12))
def test_a_stream_is_redacted_as_the_whole_text_wherever_its_chunks_end(data: st.DataObject, parts: list[str]) -> None:
    text = "".join(parts)
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    redactor = TextRedactor(ALL)
    pieces = redactor.pieces()
    shown = [pieces.feed(text[start:end]) for start, end in pairwise([0, *ends, len(text)])]
    assert "".join(shown) + pieces.end() == redactor.redact(text)


@settings(deadline=None)
@given(st.sampled_from(PERSONAL), st.integers(0, 40))
def test_no_chunk_shows_a_part_of_personal_data(personal: str, before: int) -> None:
    pieces = TextRedactor(ALL).pieces()
    shown = "".join(pieces.feed(character) for character in f"{'word ' * before}{personal} ") + pieces.end()
    assert not any(part in shown for part in personal.split(" ") if len(part) > 3)


def test_text_without_personal_data_is_not_withheld() -> None:
    pieces = TextRedactor(["email", "phone", "iban", "card"]).pieces()
    assert pieces.feed("The contract was reviewed. ") == "The contract was reviewed. "
