"""
Two adapters, written apart, hear the same from the same provider.

`StripePsp` asks over HTTP through the Stripe SDK, `SimulatedPsp` in memory. Whatever
happens to a payment, their answers must be equal, down to ids and times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from paykit.money import Money
from paykit.psp import (
    Answer,
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    CreateRefund,
    FindPayment,
    FindRefund,
    InFlight,
    ListBalanceTransactions,
    Misconfigured,
    NotExecuted,
    PaymentSnapshot,
    Pending,
    Psp,
    ReadPayment,
    ReadRefund,
    RefundSnapshot,
    Request,
    SignatureInvalid,
    Succeeded,
    Unknown,
)
from paykit.stripe import StripePsp
from paykit.testing.simulated import Fault, SimulatedProvider, SimulatedPsp
from paykit.testing.stripe_server import StripeServer
from tests.testing.stripe_sdk import TEST_KEY
from tests.testing.worlds import StillWorld

Capture = Literal["automatic", "manual"]

SECRET = "whsec_of_this_test"
DAY_ONE = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Host:
    """One adapter and the provider behind it; remembers every answer."""

    sim: SimulatedProvider
    psp: Psp
    answers: list[Answer] = field(default_factory=list)

    def ask(self, request: Request, key: str | None = None) -> Answer:
        """Send `request`, with a key of its own unless one is given."""
        answer = self.psp.send(self.psp.prepare(request, key or self._key(request)))
        self.answers.append(answer)
        return answer

    def _key(self, request: Request) -> str | None:
        reads = ("read", "find", "list")
        own = f"k{len(self.answers)}"
        return None if request.verb.startswith(reads) else own

    def open(self, method: str | None = None, capture: Capture = "automatic") -> str:
        """Create a payment of ten dollars and return its id."""
        self.ask(
            CreatePayment(
                amount=Money(1000, "usd"),
                capture=capture,
                metadata={"op": "o1"},
                payment_method=method,
            )
        )
        return self._made()

    def pay(self, method: str = "pm_card_visa", capture: Capture = "automatic") -> str:
        """Create and confirm a payment and return its id."""
        payment = self.open(method, capture)
        self.ask(ConfirmPayment(payment=payment))
        return payment

    def refund(self, payment: str, amount: int = 400) -> str:
        """Refund a part of `payment` and return the refund's id."""
        self.ask(
            CreateRefund(
                payment=payment, amount=Money(amount, "usd"), metadata={"op": "o2"}
            )
        )
        return self._made()

    def read(self, payment: str) -> None:
        """Read the payment, and what moved on the balance for it."""
        self.ask(ReadPayment(payment=payment))
        charge = self.sim.intent(payment).latest_charge
        if charge is not None:
            self.ask(ListBalanceTransactions(source=charge))

    def _made(self) -> str:
        """The id in the last answer, or one that does not exist."""
        match self.answers[-1]:
            case Succeeded(snapshot=PaymentSnapshot() | RefundSnapshot() as made):
                return made.reference
            case Pending(snapshot=made):
                return made.reference
            case _:
                return "re_none"


Story = Callable[[Host], None]


def charge_at_once(host: Host) -> None:
    host.read(host.pay())


def hold_and_take_a_part(host: Host) -> None:
    payment = host.pay(capture="manual")
    host.read(payment)
    host.ask(CapturePayment(payment=payment, amount=Money(600, "usd")))
    host.read(payment)
    host.refund(payment)
    host.read(payment)


def hold_and_let_go(host: Host) -> None:
    payment = host.pay(capture="manual")
    host.ask(CancelPayment(payment=payment, reason="duplicate"))
    host.read(payment)
    host.ask(CancelPayment(payment=payment))


def hold_and_let_expire(host: Host) -> None:
    payment = host.pay(capture="manual")
    host.sim.expire_authorization(payment)
    host.read(payment)
    host.ask(CapturePayment(payment=payment, amount=Money(1000, "usd")))


def be_declined_then_pay(host: Host) -> None:
    payment = host.pay("pm_card_visa_chargeDeclinedInsufficientFunds")
    host.read(payment)
    host.ask(ConfirmPayment(payment=payment, payment_method="pm_card_visa"))
    host.read(payment)


def be_declined_and_ask_again_with_the_key(host: Host) -> None:
    payment = host.open("pm_card_chargeDeclinedLostCard")
    host.ask(ConfirmPayment(payment=payment), key="same")
    host.ask(ConfirmPayment(payment=payment), key="same")


def authenticate(host: Host) -> None:
    payment = host.open("pm_card_threeDSecure2Required")
    host.ask(ConfirmPayment(payment=payment, return_url="https://host.test/back"))
    host.read(payment)
    host.sim.complete_authentication(payment)
    host.read(payment)


def fail_to_authenticate(host: Host) -> None:
    payment = host.pay("pm_card_authenticationRequired")
    host.sim.complete_authentication(payment, success=False)
    host.read(payment)


def wait_for_a_debit(host: Host) -> None:
    payment = host.pay("pm_usBankAccount_success")
    host.sim.settle_charges()
    host.read(payment)
    host.sim.return_debit(payment)
    host.read(payment)


def wait_for_a_refund(host: Host) -> None:
    payment = host.pay("pm_card_pendingRefund")
    refund = host.refund(payment)
    host.sim.settle_refunds()
    host.ask(ReadRefund(refund=refund))
    host.read(payment)


def lose_a_refund(host: Host) -> None:
    payment = host.pay("pm_card_refundFail")
    refund = host.refund(payment)
    host.sim.settle_refunds()
    host.ask(ReadRefund(refund=refund))
    host.read(payment)


def refund_too_much(host: Host) -> None:
    payment = host.pay()
    host.refund(payment, 1000)
    host.refund(payment, 1)
    other = host.pay()
    host.refund(other, 1001)


def look_for_things(host: Host) -> None:
    payment = host.pay()
    host.refund(payment)
    for op in ("o1", "o2", "o3"):
        host.ask(FindPayment(metadata={"op": op}, since=DAY_ONE))
        host.ask(FindRefund(payment=payment, metadata={"op": op}))


def ask_for_nonsense(host: Host) -> None:
    host.ask(ReadPayment(payment="pi_none"))
    host.ask(ReadRefund(refund="re_none"))
    host.ask(CancelPayment(payment="pi_none"))
    payment = host.open()
    host.ask(ConfirmPayment(payment=payment))
    host.ask(ConfirmPayment(payment=payment, payment_method="pm_none"))
    host.ask(CapturePayment(payment=payment, amount=Money(1000, "usd")))
    host.refund(payment)


def use_a_key_for_two_things(host: Host) -> None:
    payment = host.open("pm_card_visa")
    host.ask(ConfirmPayment(payment=payment), key="same")
    host.ask(ConfirmPayment(payment=payment, payment_method="pm_x"), key="same")
    host.ask(CancelPayment(payment=payment), key="same")


def trouble(fault: Fault) -> Story:
    """Return the story of a confirmation that meets `fault`, then is sent again."""

    def story(host: Host) -> None:
        payment = host.open("pm_card_visa")
        host.sim.faults.add(fault, verb="confirm_payment")
        host.ask(ConfirmPayment(payment=payment), key="same")
        host.ask(ConfirmPayment(payment=payment), key="same")
        host.read(payment)

    story.__name__ = f"trouble_{fault.value}"
    return story


STORIES: list[Story] = [
    charge_at_once,
    hold_and_take_a_part,
    hold_and_let_go,
    hold_and_let_expire,
    be_declined_then_pay,
    be_declined_and_ask_again_with_the_key,
    authenticate,
    fail_to_authenticate,
    wait_for_a_debit,
    wait_for_a_refund,
    lose_a_refund,
    refund_too_much,
    look_for_things,
    ask_for_nonsense,
    use_a_key_for_two_things,
    *(
        trouble(fault)
        for fault in Fault
        # A server cannot refuse a connection that it has accepted, and the adapter's
        # own patience with silence is longer than a test's.
        if fault not in (Fault.LOSE_REQUEST_UNSENT, Fault.HANG, Fault.DELAY)
    ),
]


@pytest.fixture
def in_memory() -> Host:
    sim = SimulatedProvider(StillWorld(), webhook_secret=SECRET)
    return Host(sim, SimulatedPsp(sim, webhook_secret=SECRET))


@pytest.fixture
def over_http() -> Iterator[Host]:
    sim = SimulatedProvider(StillWorld(), webhook_secret=SECRET)
    with StripeServer(sim) as server:
        psp = StripePsp(TEST_KEY, webhook_secrets=[SECRET], base_url=server.url)
        yield Host(sim, psp)
        psp.close()


def plain(answer: Answer) -> Answer:
    """Leave out what only says how an adapter words a failure of the network."""
    if isinstance(answer, Unknown | NotExecuted | InFlight | Misconfigured):
        return replace(answer, reason="", request_id=None)
    return answer


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_both_adapters_hear_the_same(
    story: Story, in_memory: Host, over_http: Host
) -> None:
    story(in_memory)
    story(over_http)
    assert [plain(a) for a in over_http.answers] == [
        plain(a) for a in in_memory.answers
    ]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_both_adapters_read_the_same_in_every_webhook(
    story: Story, in_memory: Host, over_http: Host
) -> None:
    story(in_memory)
    for event in in_memory.sim.events():
        body, _ = in_memory.sim.webhook(event)
        mine, its = in_memory.psp, over_http.psp
        assert its.read_envelope(body) == mine.read_envelope(body)
        assert its.read_event(body) == mine.read_event(body)


def test_both_adapters_trust_the_same_signature(
    in_memory: Host, over_http: Host
) -> None:
    charge_at_once(in_memory)
    now = in_memory.sim.world.now()
    body, headers = in_memory.sim.webhook(in_memory.sim.events()[0])
    lower = {name.lower(): value for name, value in headers.items()}
    for host in (in_memory, over_http):
        host.psp.verify(body, lower, now)
        with pytest.raises(SignatureInvalid):
            host.psp.verify(body + b" ", lower, now)
        with pytest.raises(SignatureInvalid):
            host.psp.verify(body, lower, now + timedelta(hours=1))
