"""What a payer reads on the statement: the rules of the cards' networks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from paykit.errors import InvalidRequest

__all__ = ["check_descriptor"]

_LENGTHS: Final[Mapping[str, range]] = {
    "statement_descriptor": range(5, 23),
    # Stands after the account's own prefix, with which it has 22 characters at most.
    "statement_descriptor_suffix": range(1, 23),
}
_FORBIDDEN: Final = frozenset("<>\\\"'*")
_LETTER: Final = re.compile(r"[A-Za-z]")


def check_descriptor(field: str, text: str | None) -> None:
    """
    Raise `InvalidRequest` for a text that the PSP would refuse (Stripe:
    docs/get-started/account/statement-descriptors).

    Not a part of the command: a command that an older release accepted is still read.
    """
    if text is None:
        return
    allowed = _LENGTHS[field]
    if len(text) not in allowed:
        problem = f"has {allowed.start} to {allowed.stop - 1} characters"
    elif not _FORBIDDEN.isdisjoint(text):
        problem = "has none of < > \\ \" ' *"
    elif not _LETTER.search(text):
        problem = "has a Latin letter"
    else:
        return
    raise InvalidRequest(f"{field}: a text on a statement {problem}", field=field)
