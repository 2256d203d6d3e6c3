"""What paykit promises for each failure; `tests.failures.page` makes a page of it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["PROMISES", "Promise", "numbered_tests"]

_NUMBERED: Final = re.compile(r"test_(\d\d)_\w+")


@dataclass(frozen=True, slots=True)
class Promise:
    """One failure, by what does not come of it."""

    number: int
    text: str


PROMISES: Final = tuple(
    Promise(number, text)
    for number, text in {
        1: "A crash after the PSP has acted does not make it act again.",
        2: "A timeout is never taken for a failure.",
        3: "A refused connection sent nothing: the call may be repeated at once.",
        4: "A server error that hides a payment does not lead to a second one.",
        5: "An answer that cannot be read is not taken for a failure.",
        6: (
            "A key that the PSP may have forgotten is only read about, and in the end "
            "a person decides."
        ),
        7: "Of many servers with one idempotency key, one acts.",
        8: "A key is refused with other parameters, however they are written.",
        9: "A deploy between two sends of a request changes none of its bytes.",
        10: "A worker that was paused past its lease advances nothing.",
        11: "A repetition is told what the first call was told, also a year later.",
        12: "A webhook that is faster than our own commit is not lost.",
        13: "A refund that is told before its charge makes no hole in the books.",
        14: "An event that comes to many servers at once is applied once.",
        15: "Two events of one fact are one posting.",
        16: "An event whose handling fails is tried again.",
        17: (
            "Updates of a payment or a subscription that swap within one second leave "
            "the newer state, and nothing old undoes an end."
        ),
        18: "A failure that is told after the success cancels nothing.",
        19: "A poisoned event is parked and shown, and the others go on.",
        20: "Events of days without an endpoint are fetched from the PSP's list.",
        21: (
            "Secrets can be rotated, and nothing forged or malformed gets in or raises."
        ),
        22: "A clock that is wrong costs no webhook for good, and takes no lease.",
        23: "Refunds at the same time stay within what was captured.",
        24: "A refund of nothing, of less, or of more than was captured is refused.",
        25: "A refund that fails weeks later is taken out of the books, and told.",
        26: "A dispute of more than was captured is booked, shown and told.",
        27: "While a dispute has the money, nothing is refunded.",
        28: "A lost dispute that is won after all ends won, in any order of events.",
        29: (
            "A capture after the authorization has ended is refused, and the payment "
            "says that it has expired."
        ),
        30: "Of a capture and a cancel at once, one wins and the other knows.",
        31: "A capture in parts must say whether it is the last one.",
        32: "A commit whose reply is lost is recognized.",
        33: "A failover that lost our intent makes nothing twice.",
        34: "An event that is committed late is delivered all the same.",
        35: "No repetition and no SQL by hand makes money from nothing.",
        36: "Amounts are what the PSP counts, in every currency.",
        37: "A storm of requests loses nothing, and payers go before workers.",
        38: (
            "An outage fails nothing that is in flight, refuses what is new at once, "
            "and does not stop whoever resolves."
        ),
        39: "A canceled task loses no answer.",
        40: "Nothing that can be queued or stored holds the secret key.",
        41: "An event of another account moves nothing here.",
        42: "A payload of another API version is read again and not believed.",
        43: "A payout that was paid and then fails is corrected.",
        44: (
            "A subscription that is paid for after its cancellation is shown, each "
            "invoice of it."
        ),
        45: "A payment whose payer never comes back from 3-D Secure ends.",
        46: "A debit that the bank takes back is taken out of the books.",
        47: (
            "A list, of events or of what moved on the balance, that is only half read "
            "is not taken for a whole one; paykit reads lists, and no report files."
        ),
    }.items()
)
"""Numbers 1 to 38 are the list of failures of the design; the others came later."""


def numbered_tests() -> Mapping[int, list[str]]:
    """Return the tests of each failure, as pytest names them from the root."""
    found = defaultdict(list)
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                numbered = _NUMBERED.fullmatch(node.name)
                if numbered:
                    name = f"tests/failures/{path.name}::{node.name}"
                    found[int(numbered[1])].append(name)
    return found
