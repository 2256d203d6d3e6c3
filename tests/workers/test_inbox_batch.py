"""A batch of webhooks ends exactly as the same webhooks one by one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paykit import Money
from paykit.engine import Flow
from paykit.operations.apply_event import apply_event
from paykit.testing.simulated import SimEvent
from paykit.testing.simulated.webhooks import sign
from paykit.workers.inbox import process_next
from paykit.workers.inbox_batch import process_batch
from tests.databases import Database, PostgresServer, sqlite_database
from tests.engine.test_counts import counting
from tests.support import VISA, Shop, open_shop

_numbers = count(1)

SAME_TABLES: Final = {
    "paykit_payment": "state, captured, refunded, refund_reserved, refunded_external, "
    "capturable, version, event_sequence, charge_reference IS NULL AS bare",
    "paykit_refund": "state, amount, origin, version, psp_reference IS NULL AS bare",
    "paykit_event": "sequence, type, from_state, to_state",
    "paykit_inbox": "event_type, status, reason, payment_id IS NULL AS foreign_one",
    "paykit_ledger_transfer": "kind, amount, debit_id, credit_id, currency",
    "paykit_ledger_key": "kind, digest",
    "paykit_work": "queue, attempts, due_ms, lease IS NULL AS free, position",
    "paykit_break": "kind",
    "paykit_live_reference": "reference",
}
"""By table, what must not depend on how many events went together."""


STATEMENTS: Final = {"sqlite": 16, "postgresql": 11}
"""How many a batch of captures takes; PostgreSQL writes the ledger with one."""


def _paid(shop: Shop, **fields: Any) -> str:
    """Let the payer pay over there; return the PSP's id of the payment."""
    payment = shop.create_payment(**fields)
    reference = payment.psp_reference or ""
    shop.sim.call("confirm_payment", reference, payment_method=VISA)
    return reference


def _happenings(shop: Shop) -> None:
    """Let things happen to payments at the PSP, refunds of both origins included."""
    first = _paid(shop, reference="order-1")
    _paid(shop)
    manual = _paid(shop, capture="manual")
    shop.sim.call("capture_payment", manual, amount_to_capture=600)
    shop.sim.call("create_refund", payment_intent=first, amount=200)
    canceled = shop.create_payment(reference="order-2")
    shop.sim.call("cancel_payment", canceled.psp_reference or "")
    shop.sim.call("create_payment", amount=500, currency="eur")
    paid = shop.paid()
    shop.refund_payment(paid, amount=Money(300, "eur"))


def _receive(shop: Shop, event: SimEvent) -> None:
    """Receive `event` under an id of its own, which sets its place in the order."""
    body = json.loads(shop.sim.webhook(event)[0])
    body["id"] = f"evt_{next(_numbers):06}"
    raw = json.dumps(body).encode()
    headers = sign(raw, shop.sim.webhook_secret, shop.world.now())
    assert shop.receive(raw, headers).status == 200


def _standing(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: sorted(
            (tuple(row.values()) for row in shop.query(f"SELECT {what} FROM {table}")),
            key=repr,
        )
        for table, what in SAME_TABLES.items()
    }


def _drain_singly(shop: Shop) -> None:
    while shop.run(process_next(shop.service.engine.env)) is not None:
        pass


def _drain(shop: Shop, at_most: int) -> None:
    while shop.run(process_batch(shop.service.engine.env, at_most)):
        pass


@dataclass
class Pair:
    """Fresh databases of one kind, for two shops with the same story."""

    kind: str
    folder: Path
    template: Path
    server: PostgresServer | None
    postgres_template: str

    def fresh(self) -> Database:
        if self.server is not None:
            return self.server.take(template=self.postgres_template)
        path = self.folder / f"{next(_numbers)}.db"
        shutil.copy(self.template, path)
        return sqlite_database(path)

    def drop(self, database: Database) -> None:
        if self.server is not None:
            self.server.drop(database)
        else:
            database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> Pair:
    server, template = None, ""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        template = request.getfixturevalue("postgres_template")
    return Pair(request.param, tmp_path, sqlite_template, server, template)


def _told(pair: Pair, chosen: Sequence[int], at_most: int | None) -> Any:
    """Tell the story with these events, and drain; None stands for one by one."""
    global _numbers
    _numbers, database = count(1), pair.fresh()
    shop = open_shop(database, "threads")
    _happenings(shop)
    events = shop.sim.events()
    for index in chosen:
        _receive(shop, events[index % len(events)])
    if at_most is None:
        _drain_singly(shop)
    else:
        _drain(shop, at_most)
    found = _standing(shop)
    pair.drop(database)
    return found


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    chosen=st.lists(st.integers(0, 40), min_size=1, max_size=24),
    at_most=st.sampled_from([2, 5, 100]),
)
def test_a_batch_ends_as_one_by_one(
    pair: Pair, chosen: list[int], at_most: int
) -> None:
    assert _told(pair, chosen, at_most) == _told(pair, chosen, None)


def test_every_event_in_order_ends_as_one_by_one(pair: Pair) -> None:
    everything = list(range(41))
    assert _told(pair, everything, 100) == _told(pair, everything, None)


def _received(shop: Shop, payments: int) -> None:
    before = len(shop.sim.events())
    for _ in range(payments):
        _paid(shop)
    wanted = {"charge.succeeded", "payment_intent.succeeded"}
    for event in shop.sim.events()[before:]:
        if event.type in wanted:
            _receive(shop, event)


def test_a_batch_is_two_commits_and_as_many_statements_whatever_its_size(
    shop: Shop,
) -> None:
    seen = set()
    for payments in (1, 2, 9):
        _received(shop, payments)
        with counting(shop) as counter:
            ends = shop.run(process_batch(shop.service.engine.env, 100))
        assert ends == ("applied",) * (2 * payments)
        assert (counter.commits, counter.rollbacks) == (2, 0)
        seen.add(len(counter.statements))
    assert seen == {STATEMENTS[shop.database.kind]}, counter.statements


def test_a_poison_event_costs_one_batch_and_blocks_nobody(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    _received(shop, 3)
    poison = shop.scalar("SELECT event_id FROM paykit_inbox ORDER BY id LIMIT 1")

    def apply(tx: Any, binding: str, event: Any, reads: Any, **known: Any) -> Any:
        verdict = apply_event(tx, binding, event, reads, **known)
        if event.id == poison:
            raise ZeroDivisionError
        return verdict

    for module in ("inbox", "inbox_batch"):
        monkeypatch.setattr(f"paykit.workers.{module}.apply_event", apply)
    ends = shop.run(process_batch(shop.service.engine.env, 100))
    assert sorted(ends) == ["applied"] * 5 + ["retried"]
    statuses = shop.query("SELECT status, event_id FROM paykit_inbox")
    assert {r["event_id"] for r in statuses if r["status"] == "received"} == {poison}


def _until_the_batch(flow: Flow[Any]) -> Flow[None]:
    """Let the events be claimed and the batch be tried, and nothing after that."""
    yield flow.send((yield next(flow)))
    flow.close()


def test_nothing_of_a_failed_batch_stays(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    _received(shop, 2)
    before = {**_standing(shop), "paykit_work": None}

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("paykit.store.work.finish_all", fail)
    flow = process_batch(shop.service.engine.env, 100)
    with pytest.raises(ZeroDivisionError):
        shop.run(_until_the_batch(flow))
    assert {**_standing(shop), "paykit_work": None} == before


def test_an_event_that_must_be_read_is_not_overtaken_by_its_payment(
    shop: Shop,
) -> None:
    payment = shop.create_payment()
    reference = payment.psp_reference or ""
    shop.sim.call("confirm_payment", reference, payment_method=VISA)
    events = {event.type: event for event in shop.sim.events()}
    _receive(shop, events["payment_intent.created"])  # cyclic: it has to be read
    _receive(shop, events["charge.succeeded"])
    shop.run(process_batch(shop.service.engine.env, 100))
    first = shop.query(
        "SELECT cause FROM paykit_event WHERE aggregateid = :id ORDER BY sequence",
        id=payment.id,
    )
    caused = [row["cause"] for row in first if row["cause"].startswith("webhook")]
    assert caused
    assert caused[0] == sorted(caused)[0]
