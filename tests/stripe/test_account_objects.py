"""What Stripe's objects of a whole account say, in paykit's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest

from paykit.psp import Named, PayoutSnapshot, PayoutStatus
from paykit.stripe import API_VERSION, account_objects, objects
from paykit.stripe.fields import Unreadable
from paykit.stripe.webhook import read_event
from tests.stripe.samples import CREATED, Json, balance_transaction, event, payout

RETURNED: Final = balance_transaction(
    id="txn_2", reporting_category="payout_reversal", source="po_1", amount=900, fee=0
)


def test_an_event_names_what_a_payout_has_moved() -> None:
    seen = payout("failed", failure_balance_transaction="txn_2", failure_code="no_one")
    assert account_objects.payout(seen) == PayoutSnapshot(
        reference="po_1",
        status=PayoutStatus.FAILED,
        raw_status="failed",
        amount=900,
        currency="usd",
        automatic=True,
        arrival=datetime.fromtimestamp(CREATED, UTC),
        failure_code="no_one",
        movements=(),
        named=("txn_1", "txn_2"),
    )


def test_a_read_shows_what_a_payout_has_moved() -> None:
    left = balance_transaction(source="po_1", amount=-900, fee=5)
    seen = account_objects.payout(
        payout(balance_transaction=left, failure_balance_transaction=RETURNED)
    )
    expected = tuple(map(objects.balance_transaction, (left, RETURNED)))
    assert (seen.movements, seen.named) == (expected, ())


def test_a_payout_may_show_one_movement_and_name_the_other() -> None:
    seen = account_objects.payout(payout(failure_balance_transaction=RETURNED))
    assert [movement.reference for movement in seen.movements] == ["txn_2"]
    assert seen.named == ("txn_1",)


@pytest.mark.parametrize("status", ["paid", "in_transit", "carried_by_pigeon"])
def test_a_payout_that_has_moved_nothing_has_any_status(status: str) -> None:
    seen = account_objects.payout(payout(status, balance_transaction=None, amount=-5))
    assert (seen.raw_status, seen.amount) == (status, -5)
    assert (seen.movements, seen.named) == ((), ())
    known = status in set(PayoutStatus)
    assert seen.status == (status if known else "unrecognized")


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (payout(id=None), "payout.id"),
        (payout(amount="900"), "payout.amount"),
        (payout(amount=9.0), "payout.amount"),
        ({**payout(), "status": None}, "payout.status"),
        (payout(currency=7), "payout.currency"),
        (payout(automatic="yes"), "payout.automatic"),
        (payout(arrival_date="soon"), "payout.arrival_date"),
        (payout(balance_transaction=7), "payout.balance_transaction"),
        (payout(balance_transaction={"id": "txn_1"}), "no balance_transaction"),
        (payout(object="refund"), "the object is no payout"),
    ],
)
def test_a_payout_that_cannot_be_read_is_named_and_never_guessed(
    broken: Json, named: str
) -> None:
    with pytest.raises(Unreadable, match=named):
        account_objects.payout(broken)


@pytest.mark.parametrize(
    "kind", ["payout.created", "payout.failed", "payout.reconciliation_completed"]
)
def test_a_payout_event_shows_its_payout(kind: str) -> None:
    subject = read_event(event(kind, payout()), API_VERSION).subject
    assert subject == account_objects.payout(payout())


def test_a_payout_event_of_another_version_only_names_it() -> None:
    body = event("payout.paid", payout(amount="?"), api_version="2019-01-01")
    subject = read_event(body, API_VERSION).subject
    assert subject == Named(kind="payout", reference="po_1")
