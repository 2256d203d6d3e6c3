"""The reference says what the code says."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paykit.lifecycle import (
    SUBSCRIPTION_ENDED,
    PaymentState,
    PayoutState,
    RefundState,
    SubscriptionState,
)
from paykit.operations.observe import _EVENTS as PAYMENT_EVENTS
from paykit.operations.observe_payout import _EVENTS as PAYOUT_EVENTS
from paykit.operations.observe_refund import _EVENTS as REFUND_EVENTS
from paykit.operations.observe_subscription import _EVENTS as SUBSCRIPTION_EVENTS
from tests.docs.pages import ROOT
from tests.docs.reference import WRITTEN

EVENTS = ROOT / "docs" / "reference" / "events.md"
KINDS = "payment|refund|dispute|payout|subscription|delivery|break"
ROW = re.compile(
    rf"^\| `((?:{KINDS})\.\w+)` .*\| ([^|]*) \|$",
    re.MULTILINE,
)


@pytest.mark.parametrize(("path", "page"), WRITTEN.items())
def test_a_page_that_is_made_from_the_code_is_up_to_date(
    path: Path, page: Callable[[], str]
) -> None:
    again = "run `python -m tests.docs.reference`"
    assert path.read_text("utf-8") == page(), again


def _types_in_the_code() -> Iterator[str]:
    """Return what ``NewEvent(type=...)`` says; a state in it stands for each state."""
    for path in (ROOT / "src" / "paykit" / "operations").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "NewEvent":
                (given,) = (word.value for word in node.keywords if word.arg == "type")
                yield (
                    ast.literal_eval(given)
                    if isinstance(given, ast.Constant)
                    else ast.unparse(given)
                )


def _expected() -> set[str]:
    found = set(_types_in_the_code())
    by_state = {name for name in found if "{" in name}
    assert by_state == {
        "f'payment.{state}'",
        "f'refund.{after.state}'",
        "f'payout.{come_to}'",
        "f'subscription.{state}'",
    }
    return (
        found - by_state
        | {f"payment.{state}" for state in _reached(PaymentState, PAYMENT_EVENTS)}
        | {f"refund.{state}" for state in _reached(RefundState, REFUND_EVENTS)}
        | {f"payout.{state}" for state in _reached(PayoutState, PAYOUT_EVENTS)}
        | {f"subscription.{state}" for state in _lived_in()}
    )


def _reached(
    states: type[PaymentState | RefundState | PayoutState | SubscriptionState],
    seen: object,
) -> set[str]:
    """Return the states that an observation can lead to."""
    assert isinstance(seen, dict)
    statuses = {status.value for status in seen}
    return {state.value for state in states} & statuses


def _lived_in() -> set[str]:
    """Return the states of a subscription that has not ended: an end is one event."""
    return _reached(SubscriptionState, SUBSCRIPTION_EVENTS) - {
        state.value for state in SUBSCRIPTION_ENDED
    }


def test_the_page_about_events_lists_every_type_and_no_other() -> None:
    listed = [name for name, _ in ROW.findall(EVENTS.read_text("utf-8"))]
    assert len(listed) == len(set(listed))
    assert set(listed) == _expected()
