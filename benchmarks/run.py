"""
How fast are the hot paths, as a ratio to the raw driver?

``python benchmarks/run.py [--postgres URL] [--items N] [--json FILE]``

Each path runs N items through paykit. The SQL that it sent, with its parameters and its
commits, is recorded once and then replayed by the raw driver on a fresh database, so
that both do the same work with the same durability. The two take turns; the ratio is
that of the medians. Rates depend on the machine and on who else uses it; ratios less.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text

from paykit import Money, PaymentService, WebhookReceiver, Worker, create_all
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp

__all__ = ["main"]

Log = list[tuple[str, Any, bool]]
"""(statement, parameters, whether it is for many rows), or a COMMIT."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one path came to, on one database."""

    path: str
    database: str
    items: int
    per_second: float
    raw_per_second: float
    ratio: float
    cpu_ms: float
    """CPU of this process per item, the database's own not included."""
    raw_cpu_ms: float
    statements: float
    commits: float


@dataclass(slots=True)
class Shop:
    """A service on an empty database, and the simulated provider behind it."""

    engine: Engine
    service: PaymentService
    receiver: WebhookReceiver
    worker: Worker
    sim: SimulatedProvider


def _shop(engine: Engine) -> Shop:
    sim = SimulatedProvider()
    service = PaymentService(engine, psp=SimulatedPsp(sim))
    service.health()  # the schema is checked once, before anything is measured
    return Shop(engine, service, WebhookReceiver(service), Worker(service), sim)


# -- the paths: prepare returns what one item does -------------------------------------


def _create(shop: Shop, items: int) -> Callable[[int], object]:
    money = Money(1000, "eur")
    create = shop.service.create_payment
    return lambda n: create(amount=money, idempotency_key=f"create-{n}")


def _replay(shop: Shop, items: int) -> Callable[[int], object]:
    money = Money(1000, "eur")
    create = shop.service.create_payment
    for n in range(items):
        payment = create(amount=money, idempotency_key=f"create-{n}")
        shop.service.confirm_payment(
            payment.id, idempotency_key=f"c-{n}", payment_method="pm_card_visa"
        )
    ids = [p.id for p in shop.service.list_payments(limit=500).items]
    confirm = shop.service.confirm_payment
    pairs = {shop.service.get_payment(i).id: i for i in ids}
    keys = {n: i for n, i in enumerate(reversed(list(pairs)))}
    return lambda n: confirm(
        keys[n % len(keys)],
        idempotency_key=f"c-{n % len(keys)}",
        payment_method="pm_card_visa",
    )


def _receive(shop: Shop, items: int) -> Callable[[int], object]:
    while len(shop.sim.events()) < items:
        shop.sim.call("create_payment", amount=1000, currency="eur")
    webhooks = shop.sim.pending_webhooks()
    receive = shop.receiver.receive
    return lambda n: receive(*webhooks[n])


def _drain(shop: Shop, items: int) -> Callable[[int], object]:
    for n in range(items // 4 + 1):
        payment = shop.service.create_payment(
            amount=Money(1000, "eur"), idempotency_key=f"k-{n}"
        )
        shop.service.confirm_payment(
            payment.id, idempotency_key=f"c-{n}", payment_method="pm_card_visa"
        )
    for body, headers in shop.sim.pending_webhooks()[:items]:
        shop.receiver.receive(body, headers)
    from paykit.workers.inbox import process_next

    return lambda n: shop.service.run(process_next(shop.service.engine.env))


PATHS: dict[str, Callable[[Shop, int], Callable[[int], object]]] = {
    "create payment": _create,
    "webhook receipt": _receive,
    "inbox drain": _drain,
    "idempotent replay": _replay,
}


# -- databases -------------------------------------------------------------------------


@contextmanager
def _sqlite() -> Iterator[tuple[Engine, Callable[[], Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        engine = create_engine(f"sqlite:///{path}")
        create_all(engine)
        yield engine, lambda: sqlite3.connect(path, isolation_level=None)
        engine.dispose()


@contextmanager
def _postgres(url: str) -> Iterator[tuple[Engine, Callable[[], Any]]]:
    import psycopg

    name = f"paykit_bench_{os.getpid()}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    target = admin.url.set(database=name)
    engine = create_engine(target)
    create_all(engine)
    plain = target.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        yield engine, lambda: psycopg.connect(plain)
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


# -- measuring -------------------------------------------------------------------------


@contextmanager
def _recorded(engine: Engine) -> Iterator[Log]:
    log: Log = []

    def executed(
        c: Any, cursor: Any, statement: str, parameters: Any, x: Any, many: bool
    ) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN")):
            log.append((statement, parameters, many))

    def committed(connection: Any) -> None:
        log.append(("COMMIT", None, False))

    event.listen(engine, "before_cursor_execute", executed)
    event.listen(engine, "commit", committed)
    try:
        yield log
    finally:
        event.remove(engine, "before_cursor_execute", executed)
        event.remove(engine, "commit", committed)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _replayed(connection: Any, log: Log, *, immediate: bool) -> None:
    cursor = connection.cursor()
    begun = False
    for statement, parameters, many in log:
        if statement == "COMMIT":
            connection.commit()
            begun = False
            continue
        if immediate and not begun:
            cursor.execute("BEGIN IMMEDIATE")
        begun = True
        (cursor.executemany if many else cursor.execute)(statement, parameters)
        if cursor.description is not None:
            cursor.fetchall()


def _run(
    database: str,
    opened: Callable[[], Any],
    path: str,
    prepare: Callable[[Shop, int], Callable[[int], object]],
    items: int,
    rounds: int,
) -> Result:
    ours: list[tuple[float, float]] = []
    raw: list[tuple[float, float]] = []
    log: Log = []
    for _ in range(rounds):
        with opened() as (engine, connect):
            shop = _shop(engine)
            log_setup: Log
            with _recorded(shop.service.driver.database) as log_setup:
                item = prepare(shop, items)
            with _recorded(shop.service.driver.database) as log:
                for n in range(items):
                    item(n)
        with opened() as (engine, connect):
            connection = connect()
            _replayed(connection, log_setup, immediate=database == "sqlite")
            raw.append(
                _timed(
                    lambda c=connection, one=log: _replayed(
                        c, one, immediate=database == "sqlite"
                    )
                )
            )
            connection.close()
        with opened() as (engine, connect):
            shop = _shop(engine)
            item = prepare(shop, items)
            ours.append(_timed(lambda i=item: [i(n) for n in range(items)]))
    wall, cpu = (statistics.median(x) for x in zip(*ours, strict=True))
    raw_wall, raw_cpu = (statistics.median(x) for x in zip(*raw, strict=True))
    commits = sum(statement == "COMMIT" for statement, _, _ in log)
    return Result(
        path=path,
        database=database,
        items=items,
        per_second=items / wall,
        raw_per_second=items / raw_wall,
        ratio=raw_wall / wall,
        cpu_ms=cpu / items * 1000,
        raw_cpu_ms=raw_cpu / items * 1000,
        statements=(len(log) - commits) / items,
        commits=commits / items,
    )


def _table(results: list[Result]) -> str:
    head = (
        f"{'path':18} {'database':11} {'ratio':>6} {'per s':>7} {'raw':>7} "
        f"{'CPU ms':>7} {'raw':>6} {'stmts':>6} {'commits':>8}"
    )
    lines = [
        f"{r.path:18} {r.database:11} {r.ratio:6.2f} {r.per_second:7.0f} "
        f"{r.raw_per_second:7.0f} {r.cpu_ms:7.2f} {r.raw_cpu_ms:6.2f} "
        f"{r.statements:6.1f} {r.commits:8.1f}"
        for r in results
    ]
    return "\n".join([head, *lines])


def main() -> int:
    """Measure every path on every database that can be had."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--postgres", help="SQLAlchemy URL of a server to create on")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    databases: dict[str, Callable[[], Any]] = {"sqlite": _sqlite}
    if args.postgres:
        databases["postgresql"] = lambda: _postgres(args.postgres)
    results = []
    for database, opened in databases.items():
        for path, prepare in PATHS.items():
            results.append(
                _run(database, opened, path, prepare, args.items, args.rounds)
            )
    sys.stdout.write(_table(results) + "\n")
    if args.json:
        rows = [asdict(result) for result in results]
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
