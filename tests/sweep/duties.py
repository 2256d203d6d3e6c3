"""
A shop in which every duty of a worker has something to do, made once and copied.

The copies are what a sweep over hundreds of boundaries can afford: the database is a
piece of memory, and the provider remembers what it is told to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from tenacity import wait_none

from paykit import (
    ConfirmPayment,
    Money,
    PaykitError,
    PaymentService,
    PaymentState,
    Policy,
)
from paykit.testing.broker import MemoryBroker, MemoryPublisher
from paykit.testing.clock import FrozenClock
from paykit.testing.payments import authorized_payment, paid_payment
from paykit.testing.quiet import (
    Shop,
    deliver_webhooks,
    empty_database,
    work_until_quiet,
)
from paykit.testing.simulated import Fault, SimulatedProvider, SimulatedPsp
from paykit.testing.simulated.objects import Json
from paykit.workers.duties import duties, run_duty
from tests.sweep.handler import HEARD, histories, misheard, note
from tests.sweep.verdict import broken

__all__ = [
    "Busy",
    "Memory",
    "busy_before",
    "copied",
    "make_busy",
    "note",
    "registered",
    "remembered",
    "wrong",
]

_PATIENCE: Final[Mapping[str, timedelta]] = {"clock": timedelta(days=8)}
"""What falls due for a duty only after a long time; minutes for all others."""

_SOON: Final = timedelta(minutes=5)
"""Longer than any lease, and than the first pauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy(Shop):
    """A shop with a handler that writes, and a broker."""

    engine: Engine
    broker: MemoryBroker = field(default_factory=MemoryBroker)

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))


@dataclass(frozen=True, slots=True)
class Memory:
    """A shop at one moment."""

    database: bytes
    provider: Json
    now: datetime


def registered() -> list[str]:
    """Return the name of every duty there is."""
    with _opened(FrozenClock()) as shop:
        return list(duties(shop.service))


def busy_before(duty: str) -> Memory:
    """Return a shop at the moment before `duty` has its turn."""
    with _opened(FrozenClock()) as shop:
        shop.execute(HEARD["sqlite"])
        make_busy(shop.service, shop.provider)
        deliver_webhooks(shop)
        shop.clock.advance(_PATIENCE.get(duty, _SOON))
        for name in duties(shop.service):
            if name == duty:
                break
            run_duty(shop.service, name)
        return remembered(shop)


def remembered(shop: Busy) -> Memory:
    """Return the shop as it is now."""
    database = _driver(shop.engine).serialize()
    return Memory(database, shop.provider.dump(), shop.clock.now())


@contextmanager
def copied(memory: Memory) -> Iterator[Busy]:
    """Open a shop that is as `memory` says."""
    # Later by a little, so that no id comes twice.
    with _opened(FrozenClock(memory.now + timedelta(seconds=1))) as shop:
        _driver(shop.engine).deserialize(memory.database)
        shop.provider.load(memory.provider)
        yield shop


@contextmanager
def _opened(clock: FrozenClock) -> Iterator[Busy]:
    provider, broker = SimulatedProvider(clock), MemoryBroker()
    with empty_database() as engine:
        service = PaymentService(
            engine,
            psp=SimulatedPsp(provider),
            world=clock,
            policy=Policy(sends=1, backoff=wait_none),
            publisher=MemoryPublisher(broker),
        )
        service.on("*")(note)
        yield Busy(
            service=service,
            provider=provider,
            clock=clock,
            engine=engine,
            broker=broker,
        )


def _driver(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.connection.driver_connection


# -- what there is to do ---------------------------------------------------------------


def make_busy(service: PaymentService, provider: SimulatedProvider) -> None:
    """Leave something to every duty: webhooks, doubts, fees, events and holds."""
    paid = paid_payment(service)
    authorized_payment(service)
    _leave_a_refund_in_doubt(service, provider, paid.id)
    _leave_a_confirmation(service)
    _pass_a_challenge(service, provider)


def _leave_a_refund_in_doubt(
    service: PaymentService, provider: SimulatedProvider, payment_id: str
) -> None:
    provider.faults.add(Fault.LOSE_ANSWER, times=None)
    try:
        service.refund_payment(
            payment_id, amount=Money(600, "eur"), idempotency_key="doubtful"
        )
    except PaykitError:
        provider.faults.clear()
    else:
        raise AssertionError("the refund is not in doubt")


def _leave_a_confirmation(service: PaymentService) -> None:
    """Begin a confirmation in the host's transaction, and let nobody finish it."""
    created = service.create_payment(
        amount=Money(700, "eur"), idempotency_key="left-create", payment_method=_VISA
    )
    with Session(service.driver.database) as session:
        service.begin(
            ConfirmPayment(payment_id=created.id),
            session=session,
            idempotency_key="left-confirm",
        )
        session.commit()


def _pass_a_challenge(service: PaymentService, provider: SimulatedProvider) -> None:
    """Let a payer pass 3-D Secure, of which only webhooks tell."""
    created = service.create_payment(
        amount=Money(800, "eur"), idempotency_key="asked-create"
    )
    service.confirm_payment(
        created.id,
        payment_method="pm_card_threeDSecure2Required",
        idempotency_key="asked-confirm",
    )
    provider.complete_authentication(str(created.psp_reference))


_VISA: Final = "pm_card_visa"


# -- what must hold in the end ---------------------------------------------------------


def wrong(shop: Busy) -> list[str]:
    """Bring everything to its end, and return what is not as it has to be."""
    work_until_quiet(shop)
    for held in shop.service.list_payments(state=PaymentState.AUTHORIZED).items:
        shop.service.cancel_payment(held.id, idempotency_key=f"cancel-{held.id}")
    work_until_quiet(shop)
    # What a dead worker held of the clock's rows, which never are all gone.
    shop.clock.advance(_SOON)
    work_until_quiet(shop)
    found = broken(shop.service, shop.engine, shop.provider, [])
    return [*found, *misheard(shop.engine), *_unpublished(shop)]


def _unpublished(shop: Busy) -> list[str]:
    """Return the payments of which the broker did not get all, in order."""
    got: dict[str, dict[str, None]] = {}
    for message in shop.broker.messages:
        got.setdefault(message.key, {})[message.id] = None
    return [
        f"{payment}: the broker did not hear what happened, in order"
        for payment, ids in histories(shop.engine).items()
        if not _is_end_of(ids, list(got.get(payment, ())))
    ]


def _is_end_of(history: list[str], heard: list[str]) -> bool:
    """Whether it is the end of the history; a copied shop begins with a new broker."""
    return heard == history[len(history) - len(heard) :]
