"""Every example is a shop that works: the same story over HTTP for each of them."""

from __future__ import annotations

from typing import Any

from tests.examples.conftest import Reply, Shop, Stripe

VISA = "pm_card_visa"
DECLINED = "pm_card_visa_chargeDeclinedInsufficientFunds"


def buy(shop: Shop, cart: str = "cart-1") -> int:
    """Place an order; return its number."""
    status, order = shop.post("/orders", {"cart": cart, "item": "book"}, {})
    assert status == 201, order
    return int(order["order"])


def pay(shop: Shop, order: int, method: str = VISA, click: str = "click-1") -> Reply:
    return shop.post(
        f"/orders/{order}/confirm",
        {"payment_method": method},
        {"Idempotency-Key": click},
    )


def deliver(stripe: Stripe, shop: Shop) -> list[int]:
    """Deliver every webhook that is open; return the statuses of the answers."""
    return [shop.webhook(*webhook) for webhook in stripe.sim.pending_webhooks()]


def status(shop: Shop, order: int) -> Any:
    return shop.get(f"/orders/{order}")[1]["status"]


def test_a_confirmed_order_is_paid_once_the_worker_has_run(
    shop: Shop, stripe: Stripe
) -> None:
    order = buy(shop)
    assert pay(shop, order) == (200, {"payment": "succeeded", "declined": None})
    assert status(shop, order) == "open"
    shop.work()
    assert status(shop, order) == "paid"


def test_a_webhook_pays_an_order_that_the_browser_has_confirmed(
    shop: Shop, stripe: Stripe
) -> None:
    order = buy(shop)
    (intent,) = stripe.sim.intents_with("paykit_merchant", "default")
    # As Stripe.js does it, with the client secret.
    stripe.sim.call("confirm_payment", intent.id, payment_method=VISA)
    answers = deliver(stripe, shop)
    assert len(answers) > 1
    assert set(answers) == {200}
    shop.work()
    assert status(shop, order) == "paid"


def test_repeating_everything_charges_once(shop: Shop, stripe: Stripe) -> None:
    first = buy(shop)
    assert pay(shop, first)[0] == 200
    assert buy(shop) == first
    assert pay(shop, first) == (200, {"payment": "succeeded", "declined": None})
    shop.work()
    assert list(stripe.sim.effects().charges.values()) == [1]


def test_a_declined_order_can_be_paid_with_another_card(
    shop: Shop, stripe: Stripe
) -> None:
    order = buy(shop)
    declined = {"payment": "requires_payment_method", "declined": "card_declined"}
    assert pay(shop, order, DECLINED) == (200, declined)
    shop.work()
    assert status(shop, order) == "open"
    assert pay(shop, order, VISA, "click-2")[1]["payment"] == "succeeded"
    shop.work()
    assert status(shop, order) == "paid"


def test_a_webhook_with_a_wrong_signature_is_refused(
    shop: Shop, stripe: Stripe
) -> None:
    buy(shop)
    ((body, headers),) = stripe.sim.pending_webhooks()
    assert shop.webhook(body + b" ", headers) == 400
    assert shop.webhook(body, headers) == 200


def test_an_order_survives_an_outage_of_the_psp(shop: Shop, stripe: Stripe) -> None:
    stripe.stop()
    wanted = {"cart": "cart-1", "item": "book"}
    code, error = shop.post("/orders", wanted, {})
    assert (code, error) == (503, {"error": "PspUnavailable"})
    stripe.start()
    order = buy(shop)
    assert pay(shop, order)[1]["payment"] == "succeeded"
    assert list(stripe.sim.effects().charges.values()) == [1]


def test_paykits_errors_become_the_status_that_they_suggest(
    shop: Shop, stripe: Stripe
) -> None:
    order = buy(shop)
    assert pay(shop, order)[0] == 200
    again = pay(shop, order, click="another-click")
    assert again == (409, {"error": "IllegalTransition"})
