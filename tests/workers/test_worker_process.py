"""A worker as a process: what a signal finds under way is finished, and given back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pytest
from sqlalchemy import text

from paykit import PaymentService, Worker
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from tests.databases import Database

SHOP: Final = """
import os, sys
from sqlalchemy import NullPool, create_engine, text
from paykit import Money, PaymentService
from paykit.clock import SYSTEM
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp

def busy(where):
    print(where, flush=True)
    sys.stdin.readline()

class Psp(SimulatedPsp):
    slow = False

    def send(self, call, /):
        if self.slow:
            busy("asking")
        return super().send(call)

def service():
    engine = create_engine(os.environ["SHOP_URL"], poolclass=NullPool)
    psp = Psp(SimulatedProvider(SYSTEM))
    made = PaymentService(engine, psp=psp)
    payment = made.create_payment(amount=Money(1000, "eur"), idempotency_key="1")
    made.confirm_payment(payment.id, payment_method="pm_card_visa", idempotency_key="2")
    with engine.begin() as connection:
        connection.execute(text("UPDATE paykit_work SET due_ms = 0"))
    psp.slow = True

    @made.on("*")
    def handle(event, session):
        busy("handling")

    return made
"""

DUTIES: Final = {"handling": "deliver", "asking": "refresh"}


@contextmanager
def _worker(
    installed: Database, folder: Path, where: str
) -> Iterator[subprocess.Popen[str]]:
    """Start a worker, and wait until it is in the middle of something."""
    (folder / "shop.py").write_text(SHOP, "utf-8")
    only = f"--only={DUTIES[where]}"
    command = [sys.executable, "-m", "paykit.cli", "worker", "--factory=shop:service"]
    with subprocess.Popen(
        [*command, only],
        cwd=folder,
        env={**os.environ, "SHOP_URL": installed.url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert _out(worker).readline() == f"{where}\n"
        try:
            yield worker
        finally:
            worker.kill()


def _out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _held(installed: Database) -> int:
    held = "SELECT count(*) FROM paykit_work WHERE lease IS NOT NULL"
    with installed.engine().connect() as connection:
        return connection.scalar(text(held)) or 0


@pytest.mark.parametrize("where", list(DUTIES))
def test_sigterm_lets_a_worker_finish_what_is_under_way(
    installed: Database, tmp_path: Path, where: str
) -> None:
    with _worker(installed, tmp_path, where) as worker:
        worker.send_signal(signal.SIGTERM)
        # Once more, if what is under way has more than one step.
        said, _ = worker.communicate("\n" * 20, timeout=60)
        assert worker.returncode == 0
    assert said.count(where) <= 1 or where == "asking"
    assert _held(installed) == 0, "nothing is left under a lease"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_worker_at_once_and_loses_nothing(
    installed: Database, tmp_path: Path, second: signal.Signals
) -> None:
    with _worker(installed, tmp_path, "handling") as worker:
        worker.send_signal(signal.SIGTERM)
        _handled(worker)
        worker.send_signal(second)
        assert worker.wait(timeout=60) == -second
    _expire(installed)
    service = PaymentService(installed.engine(), psp=SimulatedPsp(SimulatedProvider()))
    seen: list[int] = []
    service.on("*")(lambda event, session: seen.append(event.sequence))
    Worker(service, only="deliver").run_once()
    assert seen == [1, 2, 3, 4]


def _handled(worker: subprocess.Popen[str]) -> None:
    """Wait until the first signal was handled: then the default is back."""
    status = Path(f"/proc/{worker.pid}/status")
    while _caught(status) & (1 << (signal.SIGTERM - 1)):
        os.sched_yield()


def _caught(status: Path) -> int:
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["SigCgt"], 16)


def _expire(installed: Database) -> None:
    """Let the leases of the dead worker run out."""
    with installed.engine().begin() as connection:
        connection.execute(
            text("UPDATE paykit_work SET due_ms = 0, lease_until_ms = 0")
        )
