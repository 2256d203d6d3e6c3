"""
Answers hold the fields that the Stripe SDK's types declare, at every depth.

`SAMPLES` says which objects are compared: whoever adds an object adds a line. The SDK
writes ``Optional`` both for what Stripe sends as null and for what it leaves out, so
`LEFT_OUT` names what is left out, and why.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from types import NoneType
from typing import Any, Final

import pytest
import stripe
from stripe import StripeObject

from paykit.testing.simulated import SimulatedProvider
from tests.sdk_versions import of_our_api_version
from tests.testing.simulated import NEVER_REDIRECT, charge_of, held, opened, paid, rows
from tests.testing.worlds import StillWorld

Body = dict[str, Any]


def _declined(sim: SimulatedProvider) -> str:
    payment = opened(sim, "pm_card_chargeDeclined")
    with pytest.raises(Exception, match="declined"):
        sim.call("confirm_payment", payment)
    return payment


def _acting(sim: SimulatedProvider) -> Body:
    payment = opened(sim, "pm_card_threeDSecure2Required")
    return sim.call("confirm_payment", payment, return_url="https://shop.test")


def _with_everything(sim: SimulatedProvider) -> Body:
    return sim.call(
        "create_payment",
        amount=1000,
        currency="usd",
        automatic_payment_methods=NEVER_REDIRECT,
        description="An order",
        transfer_data={"destination": "acct_1", "amount": 5},
        payment_method_options={"card": {"request_multicapture": "if_available"}},
    )


def _refund(sim: SimulatedProvider, method: str) -> Body:
    made = sim.call("create_refund", payment_intent=paid(sim, method), amount=100)
    sim.settle_refunds()
    return sim.call("read_refund", str(made["id"]))


def _authenticated(sim: SimulatedProvider) -> Body:
    payment = paid(sim, "pm_card_threeDSecure2Required")
    sim.complete_authentication(payment)
    return charge_of(sim, payment)


def _movement(sim: SimulatedProvider) -> Body:
    paid(sim)
    return rows(sim.call("list_balance_transactions"))[0]


def _event(sim: SimulatedProvider) -> Body:
    opened(sim)
    return rows(sim.call("list_events"))[0]


Sample = tuple[type[StripeObject], Callable[[SimulatedProvider], Body]]

SAMPLES: Final[dict[str, Sample]] = {
    "open payment": (
        stripe.PaymentIntent,
        lambda sim: sim.call("read_payment", opened(sim)),
    ),
    "payment with everything": (stripe.PaymentIntent, _with_everything),
    "acting payment": (stripe.PaymentIntent, _acting),
    "declined payment": (
        stripe.PaymentIntent,
        lambda sim: sim.call("read_payment", _declined(sim)),
    ),
    "charge": (stripe.Charge, lambda sim: charge_of(sim, paid(sim))),
    "held charge": (stripe.Charge, lambda sim: charge_of(sim, held(sim))),
    "failed charge": (stripe.Charge, lambda sim: charge_of(sim, _declined(sim))),
    "authenticated charge": (stripe.Charge, _authenticated),
    "debit": (
        stripe.Charge,
        lambda sim: charge_of(sim, paid(sim, "pm_usBankAccount_success")),
    ),
    "european debit": (
        stripe.Charge,
        lambda sim: charge_of(sim, paid(sim, "pm_success_de")),
    ),
    "refund": (stripe.Refund, lambda sim: _refund(sim, "pm_card_visa")),
    "failed refund": (stripe.Refund, lambda sim: _refund(sim, "pm_card_refundFail")),
    "balance transaction": (stripe.BalanceTransaction, _movement),
    "event": (stripe.Event, _event),
}
"""What is compared: the SDK's class, and how to get such an object."""

_RARE: Final = "Stripe sends it only to who uses that feature"
_CARD: Final = "Charge.PaymentMethodDetails.Card"
_ERROR: Final = "PaymentIntent.LastPaymentError"
_INTERNAL: Final = "not sent to ordinary accounts, as the SDK says"
_EXPANDED: Final = "sent only if it is asked for by `expand`"
_OF_ONE_KIND: Final = "sent only where it applies, as the type of the object says"

LEFT_OUT: Final[dict[str, str]] = {
    "PaymentIntent.allowed_payment_method_types": _RARE,
    "PaymentIntent.hooks": _RARE,
    "PaymentIntent.managed_payments": _RARE,
    "PaymentIntent.payment_details": _RARE,
    "PaymentIntent.payment_record": _RARE,
    "PaymentIntent.presentment_details": _RARE,
    "PaymentIntent.AmountDetails.discount_amount": _RARE,
    "PaymentIntent.AmountDetails.error": _RARE,
    "PaymentIntent.AmountDetails.line_items": _EXPANDED,
    "PaymentIntent.AmountDetails.shipping": _RARE,
    "PaymentIntent.AmountDetails.tax": _RARE,
    "PaymentIntent.AmountDetails.Tip.amount": _RARE,
    "PaymentIntent.TransferData.description": _RARE,
    "PaymentIntent.TransferData.metadata": _RARE,
    "PaymentIntent.TransferData.payment_data": _RARE,
    "Charge.authorization_code": _RARE,
    "Charge.level3": _RARE,
    "Charge.presentment_details": _RARE,
    "Charge.refunds": _EXPANDED,
    "Charge.transfer": "sent only for a charge that a transfer was made from",
    "Charge.FraudDetails.stripe_report": "sent only once somebody reported",
    "Charge.FraudDetails.user_report": "sent only once somebody reported",
    "Charge.Outcome.rule": "sent only if a rule of Radar matched",
    "Charge.RadarOptions.session": _RARE,
    "Refund.customer": _RARE,
    "Refund.customer_account": _RARE,
    "Refund.description": "sent only for charges that are no PaymentIntent's",
    "Refund.instructions_email": _OF_ONE_KIND,
    "Refund.next_action": _OF_ONE_KIND,
    "Refund.payment_method": _RARE,
    "Refund.presentment_details": _RARE,
    "Refund.pending_reason": "sent only while it is pending",
    "Refund.failure_reason": "sent only once it failed",
    "Refund.failure_balance_transaction": "sent only once it failed",
    "Event.account": "sent only for connected accounts",
    "Event.context": _RARE,
    "Event.Data.previous_attributes": "sent only where an object was updated",
    f"{_ERROR}.advice_code": "sent only where the issuer gave one",
    f"{_ERROR}.charge": "sent only if a charge was made",
    f"{_ERROR}.decline_code": "sent only for a decline of the issuer",
    f"{_ERROR}.network_advice_code": "sent only where the network gave one",
    f"{_ERROR}.network_decline_code": "sent only where the network gave one",
    f"{_ERROR}.param": "sent only where a parameter is to blame",
    f"{_ERROR}.payment_intent": _RARE,
    f"{_ERROR}.payment_method": "this provider keeps no PaymentMethod objects",
    f"{_ERROR}.payment_method_type": _RARE,
    f"{_ERROR}.request_log_url": _RARE,
    f"{_ERROR}.setup_intent": _OF_ONE_KIND,
    f"{_ERROR}.source": _OF_ONE_KIND,
    "Charge.PaymentMethodDetails.*": _OF_ONE_KIND,
    "PaymentIntent.NextAction.*": _OF_ONE_KIND,
    "PaymentIntent.PaymentMethodOptions.*": _OF_ONE_KIND,
    "PaymentIntent.PaymentMethodOptions.Card.*": "sent only if it was asked for",
    f"{_CARD}.description": _INTERNAL,
    f"{_CARD}.electronic_commerce_indicator": _RARE,
    f"{_CARD}.iin": _INTERNAL,
    f"{_CARD}.issuer": _INTERNAL,
    f"{_CARD}.moto": _RARE,
    f"{_CARD}.setup_credential_usage": _RARE,
    f"{_CARD}.stored_credential_usage": _RARE,
    f"{_CARD}.transaction_link_id": _RARE,
    f"{_CARD}.ThreeDSecure.exemption_indicator_applied": _RARE,
    "Refund.DestinationDetails.*": _OF_ONE_KIND,
    "Refund.DestinationDetails.Card.reference": "sent only once the network gave one",
    "Refund.DestinationDetails.Card.reference_type": "comes with the reference",
}
"""What an answer may leave out, by class and field, and why."""


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


@of_our_api_version
@pytest.mark.parametrize("name", SAMPLES)
def test_every_declared_field_is_sent(sim: SimulatedProvider, name: str) -> None:
    declared, make = SAMPLES[name]
    assert list(missing(declared, make(sim))) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_no_field_is_sent_that_is_not_declared(
    sim: SimulatedProvider, name: str
) -> None:
    declared, make = SAMPLES[name]
    assert list(undeclared(declared, make(sim))) == []


def test_a_field_that_is_not_sent_is_found(sim: SimulatedProvider) -> None:
    body = charge_of(sim, paid(sim))
    outcome = body["outcome"]
    assert isinstance(outcome, dict)
    del outcome["risk_level"]
    body["amount"] = None
    assert list(missing(stripe.Charge, body)) == [
        "Charge.amount is null",
        "Charge.outcome.risk_level",
    ]


@of_our_api_version
def test_what_is_left_out_for_a_reason_is_declared() -> None:
    tops = [declared for declared, _ in SAMPLES.values()]
    walked = {kind.__qualname__: kind for top in tops for kind in _all(top)}
    for name in LEFT_OUT:
        kind, _, field = name.rpartition(".")
        assert field == "*" or field in _declared(walked[kind])


def missing(declared: type[StripeObject], body: Body, path: str = "") -> Iterator[str]:
    """Find what the class declares, and the body and `LEFT_OUT` do not have."""
    kind = declared.__qualname__
    path = path or kind
    for field, hint in _declared(declared).items():
        excused = f"{kind}.{field}" in LEFT_OUT or f"{kind}.*" in LEFT_OUT
        optional = NoneType in _alternatives(hint)
        if field not in body and not (optional and excused):
            yield f"{path}.{field}"
        elif body.get(field) is None and not optional:
            yield f"{path}.{field} is null"
    for inner, part, where in _parts(declared, body, path):
        yield from missing(inner, part, where)


def undeclared(
    declared: type[StripeObject], body: Body, path: str = ""
) -> Iterator[str]:
    """Find what the body has, and the class does not declare."""
    path = path or declared.__name__
    yield from (f"{path}.{name}" for name in body if name not in _declared(declared))
    for inner, part, where in _parts(declared, body, path):
        yield from undeclared(inner, part, where)


def _parts(
    declared: type[StripeObject], body: Body, path: str
) -> Iterator[tuple[type[StripeObject], Body, str]]:
    """Go through the objects within `body` whose class the SDK names."""
    for field, hint in _declared(declared).items():
        value = body.get(field)
        values = value if isinstance(value, list) else [value]
        for inner in _nested(hint):
            for part in values:
                if isinstance(part, dict):
                    yield inner, part, f"{path}.{field}"


def _declared(kind: type[StripeObject]) -> dict[str, object]:
    return {
        name: hint
        for name, hint in kind.__annotations__.items()
        if not (name.startswith("_") or str(hint).startswith("typing.ClassVar"))
    }


def _alternatives(hint: object) -> tuple[object, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Union else (hint,)


def _nested(hint: object) -> list[type[StripeObject]]:
    """Return the classes that are declared within the class; not other objects."""
    found: list[type[StripeObject]] = []
    for one in _alternatives(hint):
        if typing.get_origin(one) is list:
            found += _nested(typing.get_args(one)[0])
        elif isinstance(one, type) and issubclass(one, StripeObject):
            found.append(one)
    return found


def _all(kind: type[StripeObject]) -> Iterator[type[StripeObject]]:
    """Go through a class and all classes that it holds."""
    yield kind
    for hint in _declared(kind).values():
        for inner in _nested(hint):
            yield from _all(inner)
