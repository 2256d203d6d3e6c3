"""One key, one effect; whatever is repeated, and whoever else is at work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from paykit import (
    IdempotencyKeyReused,
    IllegalTransition,
    InProgress,
    Money,
    NotAllowed,
    NotFound,
    PaymentView,
    RefundView,
)
from paykit.lifecycle import PaymentState
from tests.support import Shop


def eur(minor: int) -> Money:
    return Money(minor, "eur")


OTHERWISE: Final[Mapping[str, dict[str, object]]] = {
    "create_payment": {"amount": eur(1001)},
    "confirm_payment": {"payment_method": "pm_card_mastercard"},
    "capture_payment": {"amount": eur(999)},
    "cancel_payment": {"reason": "fraudulent"},
    "refund_payment": {"amount": eur(999)},
}
"""For each method, a field that makes it another command."""

each_method = pytest.mark.parametrize("method", OTHERWISE)


def _subject(shop: Shop, method: str) -> tuple[str, ...]:
    """Return what comes before the fields: a payment that allows the method."""
    match method:
        case "create_payment":
            return ()
        case "confirm_payment":
            return (shop.create_payment().id,)
        case "refund_payment":
            return (shop.paid(),)
        case _:
            return (shop.authorized(),)


@each_method
def test_same_key_acts_once(shop: Shop, method: str) -> None:
    subject = _subject(shop, method)
    first = getattr(shop, method)(*subject, idempotency_key="k")
    counts, writes = shop.counts(), shop.watch.writes()
    for _ in range(2):
        assert getattr(shop, method)(*subject, idempotency_key="k") == first
    assert shop.counts() == counts
    assert shop.watch.writes() == writes


@each_method
def test_same_key_repeats_its_result_after_the_world_went_on(
    shop: Shop, method: str
) -> None:
    subject = _subject(shop, method)
    first = getattr(shop, method)(*subject, idempotency_key="k")
    payment = getattr(first, "payment_id", first.id)
    if method == "create_payment":
        shop.confirm_payment(payment)
    shop.settle()
    if shop.get(payment).refundable:
        shop.refund_payment(payment)
    shop.settle()
    assert getattr(shop, method)(*subject, idempotency_key="k") == first


@each_method
def test_same_key_for_another_command_is_refused(shop: Shop, method: str) -> None:
    subject = _subject(shop, method)
    getattr(shop, method)(*subject, idempotency_key="secret-key-of-the-host")
    counts, sent = shop.counts(), len(shop.watch.sent)
    with pytest.raises(IdempotencyKeyReused, match="other parameters") as refusal:
        getattr(shop, method)(
            *subject, idempotency_key="secret-key-of-the-host", **OTHERWISE[method]
        )
    assert "of-the-host" not in str(refusal.value)
    for other in set(OTHERWISE) - {method}:
        with pytest.raises(IdempotencyKeyReused, match="another operation"):
            getattr(shop, other)(
                *(("pay_x",) if other != "create_payment" else ()),
                idempotency_key="secret-key-of-the-host",
            )
    assert shop.counts() == counts
    assert len(shop.watch.sent) == sent


def test_a_field_set_to_its_default_is_still_the_same_as_before(shop: Shop) -> None:
    first = shop.create_payment(idempotency_key="k")
    assert shop.create_payment(idempotency_key="k", reference=None) == first


def test_merchants_do_not_share_their_keys(shop: Shop) -> None:
    ours = shop.create_payment(idempotency_key="k", merchant="a", reference="order")
    theirs = shop.create_payment(idempotency_key="k", merchant="b", reference="order")
    assert ours.id != theirs.id
    assert ours.psp_reference != theirs.psp_reference
    assert (ours.merchant, theirs.merchant) == ("a", "b")


def test_another_merchants_payment_is_not_found(shop: Shop) -> None:
    payment = shop.paid(merchant="a")
    counts, sent = shop.counts(), len(shop.watch.sent)
    calls: list[Callable[[], object]] = [
        lambda: shop.get(payment, merchant="b"),
        lambda: shop.refresh(payment, merchant="b"),
        lambda: shop.wait(shop.service.list_refunds(payment, merchant="b")),
        lambda: shop.wait(shop.service.payment_events(payment, merchant="b")),
        lambda: shop.confirm_payment(payment, merchant="b"),
        lambda: shop.capture_payment(payment, merchant="b"),
        lambda: shop.cancel_payment(payment, merchant="b"),
        lambda: shop.refund_payment(payment, merchant="b"),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    page = shop.wait(shop.service.list_payments(merchant="b"))
    assert page.items == ()
    assert shop.counts() == counts
    assert len(shop.watch.sent) == sent


# -- at the same time ------------------------------------------------------------------


@each_method
def test_a_key_that_is_at_work_is_not_started_again(shop: Shop, method: str) -> None:
    subject = _subject(shop, method)
    fields = {"amount": eur(1000)} if method == "create_payment" else {}
    if method == "confirm_payment":
        fields = {"payment_method": "pm_card_visa"}  # type: ignore[dict-item]
    again = getattr(shop.service, method)
    meanwhile = shop.meanwhile(lambda: again(*subject, idempotency_key="k", **fields))
    before = len(shop.watch.sent)
    result = getattr(shop, method)(*subject, idempotency_key="k", **fields)
    (outcome,) = meanwhile
    assert isinstance(outcome, InProgress)
    assert outcome.retry_after_seconds > 0
    assert len(shop.watch.sent) == before + 1
    assert getattr(shop, method)(*subject, idempotency_key="k", **fields) == result


def test_a_payment_has_one_charge_side_command_at_a_time(shop: Shop) -> None:
    opened, authorized = shop.create_payment().id, shop.authorized()
    service = shop.service
    meanwhile = shop.meanwhile(
        lambda: service.confirm_payment(
            opened, idempotency_key="x", payment_method="pm_card_visa"
        )
    )
    assert shop.confirm_payment(opened).paid
    assert isinstance(meanwhile[0], InProgress)

    meanwhile = shop.meanwhile(
        lambda: service.capture_payment(authorized, idempotency_key="y")
    )
    assert shop.cancel_payment(authorized).state is PaymentState.CANCELED
    assert isinstance(meanwhile[0], InProgress)
    assert shop.charged() == 2
    assert shop.at_psp() == {"captured": 1000, "refunded": 0}


def test_a_command_that_is_under_way_is_shown(shop: Shop) -> None:
    payment = shop.authorized()
    meanwhile = shop.meanwhile(lambda: shop.service.get_payment(payment))
    shop.capture_payment(payment)
    (view,) = meanwhile
    assert isinstance(view, PaymentView)
    assert view.pending_command == "start_capture"
    assert shop.get(payment).pending_command is None


def test_refunds_do_not_block_one_another_and_never_exceed(shop: Shop) -> None:
    payment = shop.paid()
    refund = shop.service.refund_payment
    small = shop.meanwhile(
        lambda: refund(payment, idempotency_key="small", amount=eur(400))
    )
    shop.refund_payment(payment, amount=eur(600))
    assert isinstance(small[0], RefundView)
    assert shop.get(payment).refundable == 0
    assert shop.at_psp()["refunded"] == 1000


def test_refunds_at_the_same_time_do_not_exceed(shop: Shop) -> None:
    payment = shop.paid()
    refund = shop.service.refund_payment
    large = shop.meanwhile(
        lambda: refund(payment, idempotency_key="large", amount=eur(401))
    )
    shop.refund_payment(payment, amount=eur(600))
    assert isinstance(large[0], NotAllowed)
    assert shop.at_psp()["refunded"] == 600


# -- the host's reference --------------------------------------------------------------


def test_a_reference_stands_for_one_live_payment(shop: Shop) -> None:
    first = shop.create_payment(reference="order")
    counts, sent = shop.counts(), len(shop.watch.sent)
    with pytest.raises(NotAllowed, match=first.id):
        shop.create_payment(reference="order")
    assert shop.counts() == counts
    assert len(shop.watch.sent) == sent
    shop.confirm_payment(first.id)
    with pytest.raises(NotAllowed):
        shop.create_payment(reference="order")


def test_a_canceled_payment_gives_its_reference_back(shop: Shop) -> None:
    first = shop.create_payment(reference="order")
    shop.cancel_payment(first.id)
    second = shop.create_payment(reference="order")
    assert second.id != first.id
    with pytest.raises(NotAllowed, match=second.id):
        shop.create_payment(reference="order")
    page = shop.wait(shop.service.list_payments(reference="order"))
    assert {payment.id for payment in page.items} == {first.id, second.id}


# -- amnesia (DESIGN law 4) ------------------------------------------------------------


def _forget(shop: Shop, *, attempts: bool) -> None:
    shop.execute("DELETE FROM paykit_operation")
    shop.execute("DELETE FROM paykit_work WHERE queue = 'operation'")
    if attempts:
        shop.execute("DELETE FROM paykit_attempt")


@pytest.mark.parametrize("attempts", [True, False])
@pytest.mark.parametrize("method", ["create_payment", "refund_payment"])
def test_a_lost_row_rebuilds_the_same_effect(
    shop: Shop, method: str, attempts: bool
) -> None:
    subject = _subject(shop, method)
    first = getattr(shop, method)(*subject, idempotency_key="k")
    _forget(shop, attempts=attempts)
    again = getattr(shop, method)(*subject, idempotency_key="k")
    assert again.id == first.id
    assert again.psp_reference == first.psp_reference
    assert len(shop.sim.effects().charges) == 1
    assert shop.at_psp()["refunded"] == (1000 if subject else 0)
    assert shop.claims() == {}


@pytest.mark.parametrize("method", ["confirm_payment", "capture_payment"])
def test_a_lost_row_charges_nobody_twice(shop: Shop, method: str) -> None:
    subject = _subject(shop, method)
    getattr(shop, method)(*subject, idempotency_key="k")
    _forget(shop, attempts=True)
    with pytest.raises(IllegalTransition):
        getattr(shop, method)(*subject, idempotency_key="k")
    assert shop.charged() == 1
    assert shop.at_psp()["captured"] == 1000
