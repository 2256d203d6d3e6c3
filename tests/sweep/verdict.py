"""Time, work and judgement: what every test does once its disaster is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Final, cast

from sqlalchemy import Engine, text

from paykit import PaykitError, PaymentService, PaymentView, RefundView, Worker
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.testing.simulation.cast import Cast, Heard
from paykit.testing.simulation.host import Broker
from paykit.testing.simulation.invariants import answers, history, money
from paykit.testing.simulation.stage import Stage

__all__ = ["DAY", "Told", "bare", "broken", "pass_time", "work"]

DAY: Final = timedelta(days=1)

Told = PaymentView | RefundView | PaykitError
"""What a caller is told: the result, or the error that was raised."""

_ROUNDS: Final = 30
"""More than any schedule has entries; whoever needs more never comes to an end."""


def pass_time(engine: Engine, by: timedelta) -> None:
    """Let time pass for everything that waits: leases end and work falls due."""
    statement = text(
        "UPDATE paykit_work SET due_ms = due_ms - :ms, "
        "lease_until_ms = lease_until_ms - :ms"
    )
    with engine.begin() as connection:
        connection.execute(statement, {"ms": int(by.total_seconds() * 1000)})


def work(service: PaymentService, engine: Engine) -> None:
    """Let a worker go on until nothing is left to do; fails if that never is."""
    worker = Worker(service)
    for _ in range(_ROUNDS):
        worker.run_once()
        pending = {k: n for k, n in service.health().pending.items() if n}
        if not pending:
            return
        pass_time(engine, DAY)
    raise AssertionError(f"the worker never ends: {pending}")


def broken(
    service: PaymentService,
    engine: Engine,
    sim: SimulatedProvider,
    heard: Sequence[Heard],
) -> list[str]:
    """Return every invariant of the simulation that does not hold, in words."""
    seen = Cast(
        stage=cast("Stage", _NO_STAGE),
        releases=(),
        sim=sim,
        psp=SimulatedPsp(sim),
        broker=Broker(),
        heard=list(heard),
    )
    with engine.connect() as connection:
        return [
            f"{check.__name__}: {text}"
            for check in _CHECKS
            for text in check(seen, connection)
        ]


_NO_STAGE: Final = SimpleNamespace(disasters=SimpleNamespace(sent={}))
"""Nobody has looked at what was sent; the keys in the database are checked."""

_CHECKS: Final = (
    money.one_payment_at_the_psp,
    money.same_state_and_totals,
    money.refunds_one_to_one,
    money.ledger_equals_the_balance,
    money.reservations_add_up,
    money.nobody_charged_late,
    money.one_key_per_attempt,
    money.one_capture_per_success,
    history.nothing_left_to_do,
    history.history_without_gaps,
    history.history_is_what_happened,
    answers.same_answer_for_all,
    answers.told_the_truth,
)
"""Those that need nothing of the simulation: no stage, no host of its own, and no
knowledge of which webhooks a test has delivered."""


def bare(told: object) -> str:
    """Return what every repetition must agree in: all but the secret; no error."""
    if isinstance(told, PaymentView | RefundView):
        return told.model_copy(update={"client_secret": None}).model_dump_json()
    raise AssertionError(f"the caller was told {told!r}")
