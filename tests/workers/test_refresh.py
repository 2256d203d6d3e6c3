"""The balance is looked at again, and only what the PSP shows uses up the schedule."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import Money
from paykit.errors import UsageError
from paykit.operations.refresh_payment import refresh_payment
from paykit.testing.simulated import Fault
from paykit.workers import refresh
from paykit.workers.refresh import OUTAGE, SCHEDULE, refresh_next
from tests.failures.stories import Crash, die
from tests.support import VISA, Shop

INCOMPLETE: Final = "balance_incomplete"
LEASE: Final = timedelta(minutes=1)
LISTS: Final = "list_balance_transactions"


def _paid(shop: Shop) -> str:
    """Return a payment whose balance has not been looked at."""
    payment = shop.create_payment().id
    shop.confirm_payment(payment, payment_method=VISA)
    return payment


def _look(shop: Shop, after: timedelta = timedelta(0)) -> str | None:
    shop.world.advance(after)
    return shop.run(refresh_next(shop.service.engine.env))


def _open(shop: Shop) -> list[str]:
    rows = shop.query("SELECT kind FROM paykit_break WHERE resolved_at IS NULL")
    return [row["kind"] for row in rows]


class Balance:
    """What the PSP shows of the balance."""

    def __init__(self) -> None:
        self.shown = False

    def complete(self, row: object, found: object, gross: int) -> bool:
        return self.shown


@pytest.fixture
def balance(monkeypatch: pytest.MonkeyPatch) -> Balance:
    """The PSP can be read, and shows nothing on the balance until told so."""
    found = Balance()
    name = "paykit.operations.refresh_payment._complete"
    monkeypatch.setattr(name, found.complete)
    return found


def _use_up(shop: Shop) -> list[str | None]:
    """Look as often as the schedule says, and once more."""
    ends = [_look(shop, timedelta(minutes=1))]
    return [*ends, *(_look(shop, delay) for delay in SCHEDULE)]


def test_a_balance_that_never_shows_the_money_becomes_a_break(
    shop: Shop, balance: Balance
) -> None:
    _paid(shop)
    assert _use_up(shop) == ["waiting"] * len(SCHEDULE) + ["break"]
    assert _open(shop) == [INCOMPLETE]
    assert _look(shop, timedelta(days=30)) is None


@pytest.mark.parametrize("verb", [LISTS, "read_payment"])
@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.RATE_LIMIT], ids=str)
def test_an_outage_uses_up_no_look(
    shop: Shop, balance: Balance, fault: Fault, verb: str
) -> None:
    _paid(shop)
    shop.sim.faults.add(fault, verb=verb, times=None)
    ends = {_look(shop, OUTAGE) for _ in range(2 * len(SCHEDULE))}
    assert ends == {"unread"}
    shop.sim.faults.clear()
    assert _look(shop, OUTAGE) == "waiting"
    assert {_look(shop, delay) for delay in SCHEDULE[:-1]} == {"waiting"}
    assert _look(shop, SCHEDULE[-1]) == "break"


def test_a_payment_on_which_our_code_fails_keeps_no_other_from_its_turn(
    quick: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Several of them, which come again together; in the end a person sees each."""
    caplog.set_level(logging.CRITICAL, "paykit")
    broken = [_paid(quick) for _ in range(5)]
    sound = _paid(quick)
    error = iter([ValueError, UsageError] * 99)

    def fail(env: Any, payment_id: str) -> Any:
        if payment_id in broken:
            raise next(error)
        return refresh_payment(env, payment_id)

    monkeypatch.setattr(refresh, "refresh_payment", fail)
    assert quick.wait_and_work(LEASE).done["refresh"] == {"waiting": 5, "settled": 1}
    assert quick.get(sound).paid
    for delay in SCHEDULE:
        quick.wait_and_work(delay)
    shown = quick.query("SELECT aggregateid FROM paykit_break")
    assert {row["aggregateid"] for row in shown} == set(broken)


def test_a_worker_that_dies_or_is_overtaken_uses_up_no_look(
    shop: Shop, balance: Balance
) -> None:
    _paid(shop)
    for _ in range(len(SCHEDULE)):
        shop.watch.before = die
        with pytest.raises(Crash):
            _look(shop, LEASE)
    shop.watch.before = None
    for _ in range(len(SCHEDULE)):
        shop.meanwhile(lambda: _overtake(shop))
        assert _look(shop, SCHEDULE[0] + LEASE) == "again"
        assert _attempts(shop) == 0
    shop.world.advance(LEASE)
    assert _use_up(shop) == ["waiting"] * len(SCHEDULE) + ["break"]


def _overtake(shop: Shop) -> Any:
    """Let another worker take the row over, and die of it."""
    shop.execute(
        "UPDATE paykit_work SET lease = :other WHERE queue = 'refresh'", other="1" * 32
    )


def _attempts(shop: Shop) -> int:
    (row,) = shop.query("SELECT attempts FROM paykit_work WHERE queue = 'refresh'")
    count: int = row["attempts"]
    return count


@pytest.mark.parametrize("by", ["worker", "person"])
def test_a_balance_that_shows_the_money_later_closes_its_break(
    shop: Shop, balance: Balance, by: str
) -> None:
    payment = _paid(shop)
    _use_up(shop)
    assert shop.wait(shop.service.health()).attention["breaks"] == 1
    balance.shown = True
    if by == "person":
        shop.refresh(payment)
    else:
        shop.refund_payment(payment)
        shop.wait_and_work(timedelta(minutes=1))
    assert _open(shop) == []
    assert shop.breaks() == {INCOMPLETE}
    assert shop.wait(shop.service.health()).attention["breaks"] == 0


def test_a_break_that_is_over_may_come_back(shop: Shop, balance: Balance) -> None:
    payment = _paid(shop)
    _use_up(shop)
    balance.shown = True
    shop.refund_payment(payment, amount=Money(400, "eur"))
    _look(shop, timedelta(minutes=1))
    assert _open(shop) == []
    balance.shown = False
    shop.refund_payment(payment)
    assert _use_up(shop)[-1] == "break"
    (row,) = shop.query("SELECT detail, resolved_at FROM paykit_break")
    assert row["resolved_at"] is None
    assert "1000" in str(row["detail"]).partition("refunded")[2]


def test_a_part_of_the_balance_closes_no_break(shop: Shop, balance: Balance) -> None:
    payment = _paid(shop)
    _use_up(shop)
    shop.refresh(payment)
    assert _open(shop) == [INCOMPLETE]
