"""What the tests of the simulated provider share: one payment, told in a few words."""

from __future__ import annotations

from paykit.money import Money
from paykit.psp import Answer, CreatePayment, PaymentSnapshot, Request, Succeeded
from paykit.testing.simulated import (
    ApiRequest,
    Reply,
    SimulatedProvider,
    SimulatedPsp,
)

NEVER_REDIRECT = {"enabled": True, "allow_redirects": "never"}


def opened(sim: SimulatedProvider, method: str = "pm_card_visa", **more: object) -> str:
    """Open a payment of 1000 and return its id; nothing is confirmed."""
    params: dict[str, object] = {
        "amount": 1000,
        "currency": "usd",
        "payment_method": method,
        "capture_method": "automatic",
        "automatic_payment_methods": NEVER_REDIRECT,
        **more,
    }
    return str(sim.call("create_payment", **params)["id"])


def paid(sim: SimulatedProvider, method: str = "pm_card_visa", **more: object) -> str:
    """Open a payment of 1000, confirm it and return its id."""
    payment = opened(sim, method, **more)
    sim.call("confirm_payment", payment)
    return payment


def held(sim: SimulatedProvider) -> str:
    """Authorize 1000 without taking it, and return the payment's id."""
    return paid(sim, capture_method="manual")


def charge_of(sim: SimulatedProvider, payment: str) -> dict[str, object]:
    """Return the latest charge of `payment` as the provider shows it."""
    body = sim.call("read_payment", payment, expand=["latest_charge"])
    charge = body["latest_charge"]
    assert isinstance(charge, dict)
    return charge


def rows(body: dict[str, object]) -> list[dict[str, object]]:
    """Return what a list shows."""
    data = body["data"]
    assert isinstance(data, list)
    return data


def told(sim: SimulatedProvider) -> list[str]:
    """Return the types of all events, oldest first."""
    return [event.type for event in sim.events()]


def post(
    sim: SimulatedProvider, verb: str, target: str, key: str, **params: object
) -> Reply:
    """Ask with an idempotency key."""
    return sim.handle(ApiRequest(verb=verb, target=target, params=params, key=key))


def error_of(reply: Reply) -> dict[str, object]:
    """Return the error in `reply`."""
    error = reply.body["error"]
    assert isinstance(error, dict)
    return error


def ask(psp: SimulatedPsp, request: Request, key: str | None = None) -> Answer:
    """Prepare and send `request`."""
    return psp.send(psp.prepare(request, key))


def create(psp: SimulatedPsp, method: str = "pm_card_visa", **more: str) -> str:
    """Open a payment of 10 dollars through the adapter; `more` is its metadata."""
    answer = ask(
        psp,
        CreatePayment(
            amount=Money(1000, "usd"),
            capture="automatic",
            metadata=more,
            payment_method=method,
        ),
        f"create-{method}-{sorted(more.items())}",
    )
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, PaymentSnapshot)
    return answer.snapshot.reference
