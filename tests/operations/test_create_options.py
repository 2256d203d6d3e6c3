"""What a payment can be created with, and who confirms it then."""

from __future__ import annotations

from typing import Any

import pytest
from typing_extensions import override

from paykit import InvalidRequest, Money, NotAvailable, PaymentService
from paykit.lifecycle import PaymentState
from paykit.psp import Capabilities
from paykit.testing.simulated import SimulatedPsp
from tests.support import VISA, Shop


def test_the_options_reach_the_psp_and_the_binding_stays_ours(shop: Shop) -> None:
    payment = shop.create_payment(
        statement_descriptor="TEA & BOOKS",
        statement_descriptor_suffix="TEA",
        on_behalf_of="acct_1",
        setup_future_usage="off_session",
    )
    shown = shop.sim.call("read_payment", shop.reference(payment.id))
    assert shown["statement_descriptor"] == "TEA & BOOKS"
    assert shown["statement_descriptor_suffix"] == "TEA"
    assert shown["on_behalf_of"] == "acct_1"
    assert shown["setup_future_usage"] == "off_session"
    assert shop.column(payment.id, "binding") == "simulated:default:test"


@pytest.mark.parametrize(
    "field", ["statement_descriptor", "statement_descriptor_suffix"]
)
@pytest.mark.parametrize(
    "text",
    ["x" * 23, "12345", "A<BCDE", "A>BCDE", "A\\BCDE", 'A"BCDE', "A'BCDE", "A*BCDE"],
)
def test_a_text_that_no_statement_can_show_is_refused(
    quick: Shop, field: str, text: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        quick.create_payment(**{field: text}, idempotency_key="k")
    assert refused.value.field == field
    assert quick.watch.sent == []
    assert quick.scalar("SELECT count(*) FROM paykit_payment") == 0
    assert quick.create_payment(idempotency_key="k").psp_reference


def test_a_descriptor_alone_has_five_characters_and_a_suffix_may_have_less(
    quick: Shop,
) -> None:
    with pytest.raises(InvalidRequest, match="5 to 22"):
        quick.create_payment(statement_descriptor="TEAS")
    assert quick.create_payment(statement_descriptor_suffix="T").psp_reference


def test_a_fee_that_is_told_later_is_booked_later(shop: Shop) -> None:
    payment = shop.create_payment(capture="automatic_async")
    paid = shop.confirm_payment(payment.id)
    assert paid.paid
    assert shop.balances() == {"psp_balance:eur": 1000, "sales:eur": -1000}
    shop.settle()
    assert shop.balances()["psp_fees:eur"] > 0
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]


@pytest.mark.parametrize("reason", ["duplicate", "out of stock"])
def test_a_cancel_keeps_its_reason_also_one_that_the_psp_has_no_word_for(
    shop: Shop, reason: str
) -> None:
    payment = shop.create_payment()
    canceled = shop.cancel_payment(payment.id, reason=reason)
    assert canceled.state is PaymentState.CANCELED
    assert canceled.cancel_reason == reason
    assert shop.get(payment.id).cancel_reason == reason
    told = shop.sim.intent(shop.reference(payment.id)).cancellation_reason
    assert told == ("duplicate" if reason == "duplicate" else None)


class _Plain(SimulatedPsp):
    """A provider that takes whole amounts at once."""

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(manual_capture=False)


@pytest.mark.parametrize(
    "asked",
    [
        {"capture": "manual"},
        {"multicapture": True},
        {"incremental_authorization": True},
    ],
)
def test_what_the_provider_cannot_do_is_refused_before_anything_is_written(
    quick: Shop, asked: dict[str, Any]
) -> None:
    service = PaymentService(quick.database.engine(), psp=_Plain(quick.sim))
    with pytest.raises(NotAvailable):
        service.create_payment(amount=Money(1000, "eur"), idempotency_key="k", **asked)
    payment = service.create_payment(amount=Money(1000, "eur"), idempotency_key="k")
    with pytest.raises(NotAvailable):
        service.update_payment(payment.id, amount=Money(1, "eur"), idempotency_key="u")


def test_a_stored_result_stays_when_the_provider_offers_less(quick: Shop) -> None:
    asked: dict[str, Any] = {"amount": Money(1000, "eur"), "capture": "manual"}
    before = quick.create_payment(**asked, idempotency_key="k")
    service = PaymentService(
        quick.database.engine(), psp=_Plain(quick.sim), world=quick.world
    )
    again = service.create_payment(**asked, idempotency_key="k")
    assert (again.id, again.capture) == (before.id, "manual")


# -- who confirms ----------------------------------------------------------------------


def _confirm_in_the_browser(shop: Shop, payment_id: str, method: str = VISA) -> None:
    reference = shop.reference(payment_id)
    shop.sim.call("confirm_payment", reference, payment_method=method)


@pytest.mark.parametrize("way", ["webhook", "refresh"])
def test_a_payment_that_the_browser_confirmed_is_seen(shop: Shop, way: str) -> None:
    payment = shop.create_payment()
    _confirm_in_the_browser(shop, payment.id)
    if way == "webhook":
        shop.settle()
    else:
        shop.refresh(payment.id)
    assert shop.get(payment.id).paid
    assert shop.balances()["sales:eur"] == -1000


@pytest.mark.parametrize("capture", ["automatic", "manual"])
def test_a_server_that_confirms_what_the_browser_confirmed_charges_once(
    shop: Shop, capture: str
) -> None:
    """No webhook has come yet: the conflict is settled by a read."""
    payment = shop.create_payment(capture=capture)
    _confirm_in_the_browser(shop, payment.id)
    done = shop.confirm_payment(payment.id)
    ended = (
        PaymentState.SUCCEEDED if capture == "automatic" else PaymentState.AUTHORIZED
    )
    assert done.state is ended
    assert shop.charged() == 1
    shop.settle()
    assert shop.breaks() == set()


def test_a_payer_who_must_act_in_the_browser_is_waited_for(shop: Shop) -> None:
    payment = shop.create_payment()
    _confirm_in_the_browser(shop, payment.id, "pm_card_threeDSecure2Required")
    shop.settle()
    waiting = shop.get(payment.id)
    assert waiting.state is PaymentState.REQUIRES_ACTION
    assert waiting.next_action is not None
    assert waiting.next_action.kind == "use_sdk"
    shop.sim.complete_authentication(shop.reference(payment.id))
    shop.settle()
    assert shop.get(payment.id).paid
    assert shop.charged() == 1
