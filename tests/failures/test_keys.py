"""One key, one effect: races, repetitions, paused workers and lost rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Lock
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tenacity import wait_none
from typing_extensions import override

from paykit import (
    IdempotencyKeyReused,
    InProgress,
    LeaseLost,
    Money,
    PaykitError,
    PaymentService,
    PaymentView,
    Policy,
)
from paykit.psp import Answer, Call
from paykit.testing.simulated import Fault, SimulatedProvider, SimulatedPsp
from tests.barriers.crowd import PATIENCE_SECONDS, crowd
from tests.databases import Database
from tests.failures.stories import Crash, die
from tests.support import PATIENCE, Shop, open_shop

EUR = Money(1000, "eur")
SERVERS = 8


class Held(SimulatedPsp):
    """Keeps the first request until every other caller has been told something."""

    def __init__(self, sim: SimulatedProvider) -> None:
        super().__init__(sim)
        self.asked = 0
        self.others_were_told = Event()
        self.guard = Lock()

    @override
    def send(self, call: Call, /) -> Answer:
        with self.guard:
            self.asked += 1
            first = self.asked == 1
        if first:
            assert self.others_were_told.wait(PATIENCE_SECONDS)
        return super().send(call)


def test_07_of_many_servers_with_one_key_one_acts(installed: Database) -> None:
    with crowd(installed, SERVERS) as servers:
        psp = Held(servers.sim)
        told: list[PaymentView | PaykitError] = []
        guard = Lock()

        def create(number: int, _: PaymentService) -> None:
            service = PaymentService(
                servers.engines[number], psp=psp, policy=Policy(backoff=wait_none)
            )
            heard: PaymentView | PaykitError
            try:
                heard = service.create_payment(amount=EUR, idempotency_key="k")
            except PaykitError as error:
                heard = error
            with guard:
                told.append(heard)
                if len(told) == SERVERS - 1:
                    psp.others_were_told.set()

        servers.at_once(create)
        assert psp.asked == 1
        assert sum(isinstance(one, InProgress) for one in told) == SERVERS - 1
        (winner,) = [one for one in told if isinstance(one, PaymentView)]
        assert list(servers.sim.effects().charges) == [winner.psp_reference]


CHANGED: Final[tuple[dict[str, Any], ...]] = (
    {"amount": Money(1001, "eur")},
    {"amount": Money(1000, "usd")},
    {"reference": "another order"},
    {"metadata": {"cart": "2"}},
    {"capture": "manual"},
)


def test_08_a_key_with_other_parameters_is_refused(shop: Shop) -> None:
    command = {"amount": EUR, "reference": "order", "metadata": {"cart": "1"}}
    first = shop.create_payment(idempotency_key="k", **command)
    counts, sent = shop.counts(), len(shop.watch.sent)
    for changed in CHANGED:
        with pytest.raises(IdempotencyKeyReused) as refusal:
            shop.create_payment(idempotency_key="k", **{**command, **changed})
        assert refusal.value.http_status == 422
    assert shop.counts() == counts
    assert len(shop.watch.sent) == sent
    assert shop.create_payment(idempotency_key="k", **command) == first
    assert len(shop.sim.effects().charges) == 1


@given(
    order=st.permutations(["a", "b", "c", "d"]), text=st.sampled_from(["10", "10.00"])
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_08_how_a_command_is_written_does_not_matter(
    quick: Shop, order: list[str], text: str
) -> None:
    made = quick.create_payment(
        idempotency_key="k",
        amount=Money.from_decimal(text, "EUR"),
        metadata={name: name for name in order},
    )
    assert list(quick.sim.effects().charges) == [made.psp_reference]


def test_10_a_worker_that_was_paused_past_its_lease_advances_nothing(
    shop: Shop,
) -> None:
    payment = shop.create_payment().id

    def take_over() -> Any:
        shop.world.advance(PATIENCE.lease)
        shop.sim.faults.add(Fault.LOSE_REQUEST, times=None)
        return shop.worker.run_once()

    before = shop.query("SELECT state, version FROM paykit_payment")
    meanwhile: list[Any] = shop.meanwhile(take_over, executed=True)
    with pytest.raises(LeaseLost):
        shop.confirm_payment(payment, idempotency_key="k")
    assert meanwhile[0].done["resume"] == {"OutcomeUnknown": 1}
    assert shop.query("SELECT state, version FROM paykit_payment") == before
    status = "SELECT status FROM paykit_operation WHERE idempotency_key = 'k'"
    assert shop.scalar(status) == "open"
    # Its answer was kept, and the next worker needs no other one.
    shop.watch.sent.clear()
    shop.wait_and_work(timedelta(minutes=2))
    assert "confirm_payment" not in shop.watch.verbs()
    assert shop.get(payment).paid
    assert shop.event_types(payment).count("payment.succeeded") == 1
    assert shop.charged() == 1


def test_11_a_repetition_after_a_year_is_told_what_the_first_call_was_told(
    shop: Shop,
) -> None:
    def calls() -> list[Any]:
        created = shop.create_payment(idempotency_key="create", reference="order")
        return [
            created,
            shop.confirm_payment(created.id, idempotency_key="confirm"),
            shop.refund_payment(
                created.id, idempotency_key="refund", amount=Money(400, "eur")
            ),
        ]

    first = calls()
    shop.settle()
    shop.world.advance(timedelta(days=400))
    shop.work()
    shop.watch.sent.clear()
    assert calls() == first
    assert shop.watch.writes() == []
    assert shop.charged() == 1
    assert shop.at_psp() == {"captured": 1000, "refunded": 400}


def _crash(shop: Shop, act: Callable[[], object]) -> None:
    """Let the process die after the PSP has acted."""
    shop.watch.after = die
    with pytest.raises(Crash):
        act()
    shop.watch.after = None


def test_33_after_a_failover_that_lost_the_intent_nothing_is_made_twice(
    quick: Shop, installed: Database
) -> None:
    """`quick` is the primary that is gone, with commits that the replica never got."""

    def create(shop: Shop) -> PaymentView:
        return shop.create_payment(idempotency_key="k", reference="order")

    _crash(quick, lambda: create(quick))
    replica = open_shop(installed, "threads", world=quick.world, sim=quick.sim)
    made = create(replica)
    assert list(quick.sim.effects().charges) == [made.psp_reference]
    (lost,) = [call for call in quick.watch.sent if call.verb == "create_payment"]
    (sent,) = [call for call in replica.watch.sent if call.verb == "create_payment"]
    assert sent == lost


def test_33_a_deleted_intent_gives_the_money_back_once(shop: Shop) -> None:
    payment = shop.paid()

    def refund() -> Any:
        return shop.refund_payment(
            payment, idempotency_key="k", amount=Money(400, "eur")
        )

    _crash(shop, refund)
    this = "(SELECT id FROM paykit_operation WHERE idempotency_key = 'k')"
    shop.execute(f"DELETE FROM paykit_work WHERE id IN {this}")
    shop.execute(f"DELETE FROM paykit_attempt WHERE operation_id IN {this}")
    shop.execute("DELETE FROM paykit_operation WHERE idempotency_key = 'k'")
    assert refund().amount == 400
    assert shop.at_psp()["refunded"] == 400
    assert len(shop.refunds(payment)) == 1
    assert shop.get(payment).refundable == 600
