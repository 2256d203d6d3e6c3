"""
Card numbers and secrets: kept out of what paykit stores, and out of logs.

paykit never needs a card number: the payer's browser hands it to the PSP. A number that
reaches a description or a metadata field by mistake would put the host's database, its
backups and its logs in scope of PCI DSS, so it is refused at the door. `redact` is the
second line: for texts that others wrote, before they are shown or logged.

What counts as a card number: 13 to 19 digits with a correct Luhn check digit and a
prefix and length that a card network uses, written in one piece or in groups, and not
part of a longer word, UUID or decimal fraction. One bare digit string in ten passes the
Luhn check, so a host whose own references are long digit strings should put a letter
right before them: ``o4242424242424242`` is never taken for a card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from paykit.errors import CardDataRefused

__all__ = ["redact", "refuse_card_numbers"]

_SHORTEST: Final = 13
_LONGEST: Final = 19

_SEPARATORS: Final = r"[ \u00a0\u2007\u202f\u2009\-\u2010-\u2014]{1,3}"
"""What people and word processors put between groups of digits."""

_CANDIDATES: Final = re.compile(
    # A UUID first, so that its groups of digits are not looked at.
    r"(?P<uuid>\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b)"
    # No letter or digit on either side; "0.4242..." is a fraction.
    r"|(?<![^\W_])(?<!\d\.)(?P<run>\d++(?:" + _SEPARATORS + r"\d++)*)(?![^\W_])",
    re.IGNORECASE,
)

_GROUP: Final = re.compile(r"\d+")

_NETWORKS: Final = re.compile(
    # By the first digit, the "major industry identifier" of ISO/IEC 7812-1. What no
    # network issues is left alone: Unix times begin with 1, dates with 20, book and
    # article numbers have 13 digits and begin with 8 or 9.
    r"1\d{14}"  # UATP
    r"|220[0-4]\d{12,15}"  # Mir
    r"|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3\d{13,18}"  # American Express, Diners Club, JCB
    r"|[4-6]\d{12,18}"  # Visa, Mastercard, Maestro, Discover, UnionPay, RuPay, Elo
    r"|[89]\d{15,18}"  # UnionPay, RuPay, Troy, Uzcard, Humo, Napas
)

_SECRETS: Final = re.compile(
    # Keys of an account: secret, restricted, ephemeral. pk_ keys are public.
    r"(?P<key>\b(?:sk|rk|ek)_(?:live|test|org)_)\w+"
    # Signing secrets, ours and Stripe's; base64 where it is a Standard Webhooks one.
    r"|(?P<webhook>\bwhsec_)[A-Za-z0-9+/=_-]+"
    # Client secrets of intents, sessions and sources; the id in front is no secret.
    r"|(?P<client>\b[a-z]{2,8}_[A-Za-z0-9_]+?_secret_)\w+"
)


def refuse_card_numbers(value: str, field: str) -> None:
    """
    Raise `CardDataRefused` if `value` holds what looks like a card number.

    `field` is the name that the caller knows the text by. The error carries it and
    nothing of the value, so it can be logged and sent back.
    """
    if next(_card_numbers(value), None) is not None:
        name = redact(field)  # the key of a metadata field is the caller's text, too
        raise CardDataRefused(f"{name} holds what looks like a card number", field=name)


def redact(text: str) -> str:
    """
    Return `text` with card numbers and Stripe's secrets masked, for logs and displays.

    What tells which key or intent it was (``sk_live_``, the id of the intent) stays.
    """
    pieces: list[str] = []
    shown_to = 0
    for start, end in _card_numbers(text):
        pieces += [text[shown_to:start], "[card number]"]
        shown_to = end
    pieces.append(text[shown_to:])
    return _SECRETS.sub(_keep_the_name, "".join(pieces))


def _keep_the_name(match: re.Match[str]) -> str:
    """Return the part of a secret that may be shown."""
    name = match["key"] or match["webhook"] or match["client"]
    return f"{name}[redacted]"


def _card_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Yield where card numbers stand in `text`, from left to right, disjoint."""
    for candidate in _CANDIDATES.finditer(text):
        if candidate["run"] is not None:
            yield from _within(text, *candidate.span("run"))


def _within(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the card numbers in one run of digit groups: "no. 12 4242 4242 ..."."""
    groups = list(_GROUP.finditer(text, start, end))
    first = 0
    while first < len(groups):
        last = _last_group_of_card(groups, first)
        if last is not None:
            yield groups[first].start(), groups[last].end()
        first = first + 1 if last is None else last + 1


def _last_group_of_card(groups: list[re.Match[str]], first: int) -> int | None:
    """Return the last group of the longest card number that begins at `first`."""
    digits = ""
    found = None
    for index in range(first, len(groups)):
        if len(digits) + len(groups[index][0]) > _LONGEST:
            break
        # int() because \d matches the digits of every script.
        digits += "".join(str(int(digit)) for digit in groups[index][0])
        if len(digits) >= _SHORTEST and _is_card_number(digits):
            found = index
    return found


def _is_card_number(digits: str) -> bool:
    """Return whether a network could have issued this number."""
    return _NETWORKS.fullmatch(digits) is not None and _luhn_valid(digits)


def _luhn_valid(digits: str) -> bool:
    """Return whether the last digit is the Luhn check digit (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
