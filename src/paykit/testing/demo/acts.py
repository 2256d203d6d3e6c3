"""What happens in the demo, act by act."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final

from paykit import (
    Money,
    OutcomeUnknown,
    PaymentView,
)
from paykit.testing.demo.shop import EUR, Demo

__all__ = ["ACTS"]


def automatic(demo: Demo) -> list[PaymentView]:
    """An everyday payment, with a partial refund."""
    demo.timeline.act("1. A payment, and a partial refund")
    payment = demo.confirm(demo.pay("one", 4200), "one", "pm_card_visa")
    refund = demo.service.refund_payment(
        payment.id,
        amount=Money(1200, EUR),
        idempotency_key=f"{demo.run}-one-refund",
    )
    demo.timeline.tell(f"refund  {Money(1200, EUR)} -> {refund.state}")
    again = demo.service.refund_payment(
        payment.id,
        amount=Money(1200, EUR),
        idempotency_key=f"{demo.run}-one-refund",
    )
    same = "the same refund" if again.id == refund.id else "ANOTHER REFUND"
    demo.timeline.tell(f"refund  with the same key again -> {same}")
    return [payment]


def captured_in_part(demo: Demo) -> list[PaymentView]:
    """An authorization of which a part is captured."""
    demo.timeline.act("2. An authorization, captured in part")
    payment = demo.pay("two", 9900, capture="manual")
    payment = demo.confirm(payment, "two", "pm_card_visa")
    payment = demo.service.capture_payment(
        payment.id,
        amount=Money(7500, EUR),
        idempotency_key=f"{demo.run}-two-capture",
    )
    demo.timeline.tell(f"capture {Money(7500, EUR)} -> {payment.state}")
    return [payment]


def declined(demo: Demo) -> list[PaymentView]:
    """A decline is an answer, and the payment can go on with another card."""
    demo.timeline.act("3. A decline, then another card")
    payment = demo.pay("three", 1500)
    method = "pm_card_visa_chargeDeclinedInsufficientFunds"
    payment = demo.confirm(payment, "three", method)
    payment = demo.confirm(payment, "three-again", "pm_card_visa")
    return [payment]


def challenged(demo: Demo) -> list[PaymentView]:
    """The issuer wants to see the payer first."""
    demo.timeline.act("4. A 3-D Secure challenge")
    payment = demo.pay("four", 8800)
    payment = demo.confirm(payment, "four", "pm_card_threeDSecure2Required")
    if demo.sim is None:
        view = demo.service.cancel_payment(
            payment.id, idempotency_key=f"{demo.run}-four-cancel", reason="abandoned"
        )
        demo.timeline.tell(f"nobody can answer here, so cancel -> {view.state}")
        return [payment]
    demo.sim.complete_authentication(str(payment.psp_reference))
    demo.timeline.tell("the payer passes the challenge at the bank")
    demo.settle()
    view = demo.service.get_payment(payment.id)
    demo.timeline.tell(f"a webhook told the worker -> {view.state}")
    return [payment]


def answer_lost(demo: Demo) -> list[PaymentView]:
    """The charge goes through, the answer does not come back."""
    demo.timeline.act("5. A read timeout after the charge went through")
    payment = demo.pay("five", 2500)
    demo.network.armed = True
    try:
        payment = demo.confirm(payment, "five", "pm_card_visa")
    except OutcomeUnknown:
        demo.timeline.tell("confirm -> unknown; a timeout is not a failure")
        payment = demo.confirm(payment, "five", "pm_card_visa")
    demo.timeline.tell("the answer was lost, and the charge was found again: once")
    return [payment]


def process_killed(demo: Demo) -> list[PaymentView]:
    """The process dies between the charge and the commit that records it."""
    demo.timeline.act("6. A process killed between charge and commit")
    payment = demo.pay("six", 3100)
    arguments = {
        "path": str(demo.path),
        "payment": payment.id,
        "idempotency_key": f"{demo.run}-six-confirm",
        "base_url": demo.base_url,
    }
    child = subprocess.run(
        [sys.executable, "-m", "paykit.testing.demo", "--child"],
        input=json.dumps(arguments),
        text=True,
        env={**os.environ, "STRIPE_SECRET_KEY": demo.key},
        check=False,
    )
    demo.timeline.tell(f"the process ended with signal {-child.returncode}")
    operations = demo.service.health().pending["operation"]
    demo.timeline.tell(f"charged, and nothing recorded: {operations} operation is open")
    demo.settle()
    healed = demo.service.get_payment(payment.id)
    demo.timeline.tell(f"the worker found it and asked Stripe -> {healed.state}")
    again = demo.confirm(payment, "six", "pm_card_visa")
    demo.timeline.tell(
        f"repeating the call with the same key changes nothing: {again.state}"
    )
    return [payment]


ACTS: Final[Sequence[Callable[[Demo], list[PaymentView]]]] = (
    automatic,
    captured_in_part,
    declined,
    challenged,
    answer_lost,
    process_killed,
)
