"""Disputes at the simulated provider: their statuses, their money and their events."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from tests.testing.simulated import charge_of, paid, rows, told
from tests.testing.worlds import StillWorld


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


def disputed(sim: SimulatedProvider, **how: object) -> tuple[str, str]:
    """Pay 1000 and dispute it; return the ids of the payment and the dispute."""
    payment = paid(sim)
    return payment, sim.controls.open_dispute(payment, **how)  # type: ignore[arg-type]


def read(sim: SimulatedProvider, dispute: str) -> dict[str, object]:
    return sim.call("read_dispute", dispute)


def told_of(sim: SimulatedProvider) -> list[str]:
    """Return the events about disputes, oldest first, without their prefix."""
    prefix = "charge.dispute."
    return [name.removeprefix(prefix) for name in told(sim) if prefix in name]


def refund(sim: SimulatedProvider, payment: str, **params: object) -> dict[str, object]:
    return sim.call("create_refund", payment_intent=payment, **params)


def submit(
    sim: SimulatedProvider, dispute: str, text: str, **params: object
) -> dict[str, object]:
    evidence = {"uncategorized_text": text}
    return sim.call("update_dispute", dispute, evidence=evidence, **params)


def test_a_chargeback_takes_the_money_and_a_fee_at_once(
    sim: SimulatedProvider,
) -> None:
    payment, dispute = disputed(sim)
    body = read(sim, dispute)
    assert (body["status"], body["reason"]) == ("needs_response", "fraudulent")
    assert (body["charge"], body["payment_intent"]) == (
        charge_of(sim, payment)["id"],
        payment,
    )
    movement = rows({"data": body["balance_transactions"]})[0]
    assert (movement["type"], movement["reporting_category"]) == (
        "adjustment",
        "dispute",
    )
    assert (movement["amount"], movement["fee"], movement["net"]) == (
        -1000,
        1500,
        -2500,
    )
    assert movement["source"] == dispute
    assert charge_of(sim, payment)["disputed"] is True
    assert told_of(sim) == ["created", "funds_withdrawn"]
    assert sim.effects().balance == {"usd": 941 - 2500}


def test_losing_moves_nothing_more(sim: SimulatedProvider) -> None:
    _, dispute = disputed(sim)
    before = sim.effects().balance
    sim.controls.resolve_dispute(dispute, "lost")
    assert read(sim, dispute)["status"] == "lost"
    assert sim.effects().balance == before
    assert told_of(sim)[2:] == ["closed"]


@pytest.mark.parametrize("lost_first", [False, True])
def test_a_dispute_can_be_won_also_after_it_was_lost(
    sim: SimulatedProvider, lost_first: bool
) -> None:
    _, dispute = disputed(sim)
    if lost_first:
        sim.controls.resolve_dispute(dispute, "lost")
    sim.controls.resolve_dispute(dispute, "won")
    body = read(sim, dispute)
    assert body["status"] == "won"
    movements = rows({"data": body["balance_transactions"]})
    assert [(row["reporting_category"], row["net"]) for row in movements] == [
        ("dispute", -2500),
        ("dispute_reversal", 1000),
    ]
    assert told_of(sim)[-2:] == ["closed", "funds_reinstated"]
    with pytest.raises(ProviderError):
        sim.controls.resolve_dispute(dispute, "won")


def test_a_dispute_may_be_about_more_than_the_charge(sim: SimulatedProvider) -> None:
    _, dispute = disputed(sim, amount=1200)
    assert read(sim, dispute)["amount"] == 1200


@pytest.mark.parametrize(
    ("method", "reason", "status"),
    [
        ("pm_card_createDispute", "fraudulent", "needs_response"),
        (
            "pm_card_createDisputeProductNotReceived",
            "product_not_received",
            "needs_response",
        ),
        ("pm_card_createDisputeInquiry", "general", "warning_needs_response"),
    ],
)
def test_some_test_cards_dispute_what_they_pay(
    sim: SimulatedProvider, method: str, reason: str, status: str
) -> None:
    payment = paid(sim, method)
    found = rows(sim.call("list_disputes", payment_intent=payment))
    assert [(row["reason"], row["status"]) for row in found] == [(reason, status)]
    types = told(sim)
    created = types.index("charge.dispute.created")
    assert created > types.index("payment_intent.succeeded")


def test_an_inquiry_moves_no_money_until_it_escalates(sim: SimulatedProvider) -> None:
    _, dispute = disputed(sim, kind="inquiry")
    assert read(sim, dispute)["balance_transactions"] == []
    assert sim.effects().balance == {"usd": 941}
    assert told_of(sim) == ["created"]
    sim.controls.resolve_dispute(dispute, "escalated")
    body = read(sim, dispute)
    assert body["status"] == "needs_response"
    assert sim.effects().balance == {"usd": 941 - 2500}
    assert told_of(sim)[1:] == ["updated", "funds_withdrawn"]


@pytest.mark.parametrize("kind", ["fraudulent", "product_not_received"])
@pytest.mark.parametrize("then", [None, "lost"])
def test_a_charged_back_payment_cannot_be_refunded(
    sim: SimulatedProvider, kind: str, then: str | None
) -> None:
    payment, dispute = disputed(sim, kind=kind)
    if then == "lost":
        sim.controls.resolve_dispute(dispute, "lost")
    with pytest.raises(ProviderError) as caught:
        refund(sim, payment, amount=1)
    assert caught.value.code == "charge_disputed"
    assert read(sim, dispute)["is_charge_refundable"] is False


def test_one_open_chargeback_among_others_forbids_the_refund(
    sim: SimulatedProvider,
) -> None:
    payment, won = disputed(sim)
    sim.controls.resolve_dispute(won, "won")
    refund(sim, payment, amount=1)
    sim.controls.open_dispute(payment, kind="inquiry")
    refund(sim, payment, amount=1)
    sim.controls.open_dispute(payment, amount=5)
    with pytest.raises(ProviderError, match="charged back"):
        refund(sim, payment, amount=1)


def test_a_full_refund_closes_an_inquiry(sim: SimulatedProvider) -> None:
    payment, dispute = disputed(sim, kind="inquiry")
    assert read(sim, dispute)["is_charge_refundable"] is True
    refund(sim, payment, amount=400)
    assert read(sim, dispute)["status"] == "warning_needs_response"
    refund(sim, payment)
    assert read(sim, dispute)["status"] == "warning_closed"
    assert told_of(sim) == ["created", "closed"]


def test_a_pending_refund_is_overtaken_by_a_chargeback(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_card_pendingRefund")
    reference = str(refund(sim, payment)["id"])
    sim.controls.open_dispute(payment)
    body = sim.call("read_refund", reference)
    assert (body["status"], body["failure_reason"]) == (
        "failed",
        "charge_for_pending_refund_disputed",
    )
    sim.settle_refunds()
    assert sim.effects().refunded == {payment: 0}
    assert sim.effects().balance == {"usd": 941 - 2500}


def test_evidence_is_submitted_unless_it_is_staged(sim: SimulatedProvider) -> None:
    _, dispute = disputed(sim)
    staged = sim.call(
        "update_dispute",
        dispute,
        evidence={"product_description": "a book"},
        submit=False,
        metadata={"case": "7"},
    )
    assert (staged["status"], staged["metadata"]) == ("needs_response", {"case": "7"})
    details = staged["evidence_details"]
    assert isinstance(details, dict)
    assert (details["has_evidence"], details["submission_count"]) == (True, 0)
    sent = sim.call("update_dispute", dispute, submit=True)
    assert sent["status"] == "under_review"
    evidence, details = sent["evidence"], sent["evidence_details"]
    assert isinstance(evidence, dict)
    assert isinstance(details, dict)
    assert evidence["product_description"] == "a book"
    assert (details["submission_count"], details["past_due"]) == (1, False)


def test_evidence_is_submitted_once(sim: SimulatedProvider) -> None:
    _, dispute = disputed(sim)
    submit(sim, dispute, "we sent it")
    with pytest.raises(ProviderError, match="under_review"):
        submit(sim, dispute, "really")
    assert sim.call("update_dispute", dispute, metadata={"a": "b"})["metadata"] == {
        "a": "b"
    }


def test_late_evidence_is_marked(sim: SimulatedProvider, world: StillWorld) -> None:
    _, dispute = disputed(sim)
    world.time += timedelta(days=8)
    details = submit(sim, dispute, "sorry")["evidence_details"]
    assert isinstance(details, dict)
    assert details["past_due"] is True


@pytest.mark.parametrize(
    ("kind", "text", "status"),
    [
        ("fraudulent", "winning_evidence", "won"),
        ("fraudulent", "losing_evidence", "lost"),
        ("fraudulent", "escalate_inquiry_evidence", "under_review"),
        ("inquiry", "winning_evidence", "warning_closed"),
        ("inquiry", "escalate_inquiry_evidence", "needs_response"),
        ("inquiry", "we asked them", "warning_under_review"),
    ],
)
def test_stripes_test_words_decide_at_once(
    sim: SimulatedProvider, kind: str, text: str, status: str
) -> None:
    _, dispute = disputed(sim, kind=kind)
    assert submit(sim, dispute, text)["status"] == status


def test_closing_accepts_the_loss(sim: SimulatedProvider) -> None:
    _, dispute = disputed(sim)
    assert sim.call("close_dispute", dispute)["status"] == "lost"
    with pytest.raises(ProviderError):
        sim.call("close_dispute", dispute)


def test_unknown_or_endless_evidence_is_refused(sim: SimulatedProvider) -> None:
    _, dispute = disputed(sim)
    with pytest.raises(ProviderError) as caught:
        sim.call("update_dispute", dispute, evidence={"witness": "me"})
    assert caught.value.param == "evidence[witness]"
    with pytest.raises(ProviderError, match="150000 characters"):
        submit(sim, dispute, "x" * 150_001)
    assert read(sim, dispute)["status"] == "needs_response"


def test_only_captured_money_can_be_disputed(sim: SimulatedProvider) -> None:
    held = paid(sim, capture_method="manual")
    with pytest.raises(ProviderError, match="no money"):
        sim.controls.open_dispute(held)
    with pytest.raises(ProviderError, match="No such dispute"):
        sim.controls.resolve_dispute("du_0", "won")


def test_disputes_are_listed_by_charge(sim: SimulatedProvider) -> None:
    payment, dispute = disputed(sim)
    disputed(sim)
    charge = charge_of(sim, payment)["id"]
    found = rows(sim.call("list_disputes", charge=charge))
    assert [row["id"] for row in found] == [dispute]
    assert len(rows(sim.call("list_disputes"))) == 2
