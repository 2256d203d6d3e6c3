"""Time, work and judgement: what every test does once its disaster is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Final

from sqlalchemy import Engine, text

from paykit import PaykitError, PaymentService, PaymentView, RefundView, Worker
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.testing.simulation.cast import Cast, Heard
from paykit.testing.simulation.invariants import violations
from paykit.testing.simulation.stage import SimulatedWorld, Stage

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
    random = Random(0)
    cast = Cast(
        stage=Stage(engine, service.engine.env.psps, random, SimulatedWorld(random)),
        engine=service.engine,
        sim=sim,
        psp=SimulatedPsp(sim),
        handlers=service.handlers,
        heard=list(heard),
    )
    with engine.connect() as connection:
        return violations(cast, connection)


def bare(told: object) -> str:
    """Return what every repetition must agree in: all but the secret; no error."""
    if isinstance(told, PaymentView | RefundView):
        return told.model_copy(update={"client_secret": None}).model_dump_json()
    raise AssertionError(f"the caller was told {told!r}")
