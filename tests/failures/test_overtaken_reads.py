"""
What comes and goes within a second: a reading from in between is not the newest.

One worker has read the state in between, and has not written it yet. Meanwhile another
one is told of the state after it, which is the one that we have, and has nothing to
write. It has to be noted all the same, or the older reading is taken for the newest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from paykit import DisputeState, PaymentState
from paykit.engine import commit
from paykit.operations.apply_event import apply_event
from paykit.operations.verdicts import Needs, Read, ReadOne, Verdict
from paykit.psp import (
    DisputeSnapshot,
    DisputeStatus,
    PaymentSnapshot,
    PaymentStatus,
    PspEvent,
    ReadDispute,
    ReadPayment,
    Subject,
)
from tests.support import Shop

BINDING: Final = "simulated:default:test"
CHALLENGE: Final = "pm_card_threeDSecure2Required"


def shown(shop: Shop, type_: str) -> Subject:
    """Return what the newest event of this type shows."""
    event = [one for one in shop.sim.events() if one.type == type_][-1]
    body = shop.sim.webhook(event)[0]
    return shop.psp.read_event(body).subject


def hear(
    shop: Shop, subject: Subject, type_: str, *read: tuple[ReadOne, Read]
) -> Verdict | Needs:
    """Take in an event that shows `subject`, with what was read because of it."""
    event = PspEvent(id="evt_1", type=type_, subject=subject)
    outcome: Verdict | Needs = shop.run(
        commit(
            lambda tx: apply_event(
                tx,
                BINDING,
                event,
                dict(read),
                owner="default",
                serves=lambda merchant: True,
                cause="webhook evt_1",
            )
        )
    )
    return outcome


def asked(outcome: Verdict | Needs, request: ReadOne) -> int:
    """Return the version of the payment at which `request` is to be read."""
    assert isinstance(outcome, Needs)
    assert outcome.request == request
    assert outcome.version is not None
    return outcome.version


def test_17_a_dispute_that_shows_nothing_new_overtakes_an_older_reading(
    quick: Shop,
) -> None:
    payment = quick.paid()
    quick.settle()
    quick.sim.controls.open_dispute(quick.reference(payment))
    seen, type_ = shown(quick, "charge.dispute.created"), "charge.dispute.updated"
    quick.settle()
    assert isinstance(seen, DisputeSnapshot)
    between = replace(
        seen, status=DisputeStatus.UNDER_REVIEW, raw_status="under_review"
    )
    request = ReadDispute(dispute=seen.reference)
    version = asked(hear(quick, between, type_), request)
    assert hear(quick, seen, type_) == Verdict("applied", payment_id=payment)
    late = (request, Read(between, version))
    newer = asked(hear(quick, between, type_, late), request)
    hear(quick, between, type_, (request, Read(seen, newer)))
    (dispute,) = quick.wait(quick.service.list_disputes(payment))
    assert dispute.state is DisputeState.NEEDS_RESPONSE


def test_17_a_payment_whose_reading_shows_nothing_new_overtakes_an_older_reading(
    quick: Shop,
) -> None:
    payment = quick.paid(payment_method=CHALLENGE)
    quick.settle()
    type_ = "payment_intent.requires_action"
    seen = shown(quick, type_)
    assert isinstance(seen, PaymentSnapshot)
    between = replace(seen, status=PaymentStatus.PROCESSING, raw_status="processing")
    request = ReadPayment(payment=seen.reference)
    version = asked(hear(quick, between, "payment_intent.processing"), request)
    known = (request, Read(seen, asked(hear(quick, seen, type_), request)))
    assert hear(quick, seen, type_, known) == Verdict("applied", payment_id=payment)
    late = (request, Read(between, version))
    newer = asked(hear(quick, between, "payment_intent.processing", late), request)
    known = (request, Read(seen, newer))
    hear(quick, between, "payment_intent.processing", known)
    assert quick.get(payment).state is PaymentState.REQUIRES_ACTION
