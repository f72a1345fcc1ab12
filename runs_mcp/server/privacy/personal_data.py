"""Patterns of personal data, matched in linear time: email addresses, phone numbers, IBANs and card numbers."""

from collections.abc import Callable
from dataclasses import dataclass

LONGEST_CUSTOM_CHARS = 256
"""Characters of a stream that are withheld because a custom expression may match them together with what follows."""


CARD_DIGITS = range(13, 20)
IBAN_CHARS = range(15, 35)
_TWICE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
"""Sum of the digits of twice a digit."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of text to redact."""

    name: str
    """Replacement, without its brackets."""
    expression: str
    """RE2 expression of a candidate."""
    beginning: str
    """RE2 expression, anchored at the end of a text, of an end that may be the beginning of a candidate."""
    valid_length: Callable[[str], int] = len
    """Length of the beginning of a candidate that really is of this kind; 0 if none is."""


def luhn_length(candidate: str) -> int:
    """Return the length of the longest beginning of `candidate` that is a card number (ISO/IEC 7812)."""
    length = digits = checksum = other = 0
    for end, sign in enumerate(candidate, start=1):
        if not sign.isdigit():
            continue
        digit, digits = int(sign), digits + 1
        # The last digit counts once and every second digit before it twice, so each further digit swaps the two sums.
        checksum, other = other + digit, checksum + _TWICE[digit]
        if digits in CARD_DIGITS and checksum % 10 == 0 and _group_ends(candidate, end):
            length = end
    return length


def iban_length(candidate: str) -> int:
    """Return the length of the longest beginning of `candidate` that is an IBAN (ISO 13616)."""
    country = int("".join(str(int(sign, 36)) for sign in candidate[:4]))
    length, signs, remainder = 0, 4, 0
    for end, sign in enumerate(candidate[4:], start=5):
        if sign == " ":
            continue
        remainder, signs = (remainder * (10 if sign.isdigit() else 100) + int(sign, 36)) % 97, signs + 1
        # ISO 7064 MOD 97-10: country and check digits, six digits once letters are numbers, are moved to the end.
        if signs in IBAN_CHARS and (remainder * 1_000_000 + country) % 97 == 1 and _group_ends(candidate, end):
            length = end
    return length


def pattern_of(kind: str) -> Pattern:
    """Return the pattern of a kind of personal data, or of a custom expression between slashes."""
    return _PATTERNS.get(kind) or Pattern("redacted", kind[1:-1], rf"(?s).{{0,{LONGEST_CUSTOM_CHARS}}}\z")


def _group_ends(candidate: str, end: int) -> bool:
    """Return True if a group of letters and digits ends at `end`."""
    return not candidate[end : end + 1].isalnum()


_PATTERNS = {
    pattern.name: pattern
    for pattern in (
        Pattern(
            "email",
            r"[A-Za-z0-9._%+'-]{1,64}@(?:[\pL\pN-]+\.)+[A-Za-z]{2,24}",
            r"[A-Za-z0-9._%+'-]{1,64}(?:@[\pL\pN.-]{0,255})?\z",
        ),
        Pattern(
            "phone",
            # International (+49 …, 0049 …), national with a leading zero (030 …), and North American (415-555-2671).
            r"(?:\+|\b00)[1-9](?:[ ().\-/]{0,2}\d){6,14}\b"
            r"|\(?\b0[1-9](?:[ ().\-/]{0,2}\d){6,12}\b"
            r"|\(?\b[2-9]\d{2}(?:\) ?|[ .\-])\d{3}[ .\-]\d{4}\b",
            r"[\d+(][\d+ ().\-/]{0,50}\z",
        ),
        Pattern(
            "iban",
            r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b|\b[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}\b",
            r"(?:[A-Za-z]{1,2}|[A-Za-z]{2}\d|[A-Za-z]{2}\d{2}[A-Za-z0-9 ]{0,66})\z",
            iban_length,
        ),
        Pattern("card", r"\b[2-6](?:[ -]?\d){12,18}\b", r"\d[\d -]{0,50}\z", luhn_length),
    )
}
