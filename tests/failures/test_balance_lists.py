"""Lists of balance transactions that break in the middle: fees are on their pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import Money
from paykit.testing.simulated import Fault, listing
from paykit.workers.refresh import OUTAGE, SCHEDULE
from tests.failures.test_payouts import net
from tests.support import VISA, Shop
from tests.sweep.shop import Shop as WireShop

LISTS: Final = "list_balance_transactions"


def captured_in_part(shop: WireShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sell something, of which the balance shows two movements, on a page each."""
    monkeypatch.setattr("paykit.stripe.wire.PAGE_SIZE", 1)
    sold = shop.service.create_payment(
        amount=Money(1000, "eur"),
        capture="manual",
        payment_method=VISA,
        idempotency_key="order",
    )
    shop.service.confirm_payment(sold.id, idempotency_key="pay")
    shop.service.capture_payment(
        sold.id, amount=Money(400, "eur"), idempotency_key="capture"
    )


def look(shop: WireShop, number: int) -> None:
    """Let the worker look at the balance so many times."""
    for _ in range(number):
        shop.pass_time(OUTAGE)
        shop.work_once()


def assert_nothing_came_of_it(shop: WireShop) -> None:
    """Only what the payment itself shows is in the books, and it is asked again."""
    assert net(shop, "psp_balance") == 400
    kinds = shop.rows("SELECT kind FROM paykit_ledger_transfer")
    assert {row["kind"] for row in kinds} == {"capture"}
    assert shop.rows("SELECT kind FROM paykit_break") == []
    (row,) = shop.rows("SELECT attempts FROM paykit_work WHERE queue = 'refresh'")
    assert row["attempts"] == 0, "what shows nothing uses up no look"
    assert shop.moved() == ("succeeded", 400, 0)


def assert_read_in_the_end(shop: WireShop) -> None:
    look(shop, 1)
    assert net(shop, "psp_fees") > 0
    assert net(shop, "psp_balance") == shop.sim.effects().balance["eur"]
    assert shop.rows("SELECT id FROM paykit_work WHERE queue = 'refresh'") == []


@pytest.mark.parametrize(
    "fault",
    [Fault.TRUNCATED, Fault.EMPTY, Fault.LOSE_ANSWER, Fault.UNAVAILABLE],
    ids=str,
)
@pytest.mark.parametrize("page", [1, 2])
def test_47_a_balance_of_which_a_page_fails_books_nothing(
    wire: WireShop, monkeypatch: pytest.MonkeyPatch, fault: Fault, page: int
) -> None:
    captured_in_part(wire, monkeypatch)
    wire.sim.faults.add(
        fault,
        verb=LISTS,
        times=None,
        when=lambda request: ("starting_after" in request.params) == (page == 2),
    )
    look(wire, 2)
    assert_nothing_came_of_it(wire)
    wire.sim.faults.clear()
    assert_read_in_the_end(wire)


def test_47_a_balance_that_has_more_and_shows_nothing_more_books_nothing(
    wire: WireShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured_in_part(wire, monkeypatch)
    page = listing._page

    def cut_off(*given: Any) -> listing.Page:
        found = page(*given)
        begun = given[1].text("starting_after") is not None
        return replace(found, items=(), has_more=True) if begun else found

    with monkeypatch.context() as patched:
        patched.setattr(listing, "_page", cut_off)
        look(wire, 2)
        assert_nothing_came_of_it(wire)
    assert_read_in_the_end(wire)


def test_47_a_balance_that_breaks_off_for_days_is_read_when_it_can_be(
    shop: Shop,
) -> None:
    """However long that takes: it opens no break, and uses up no schedule."""
    payment = shop.create_payment().id
    shop.confirm_payment(payment, payment_method=VISA)
    shop.sim.faults.add(Fault.TRUNCATED, verb=LISTS, times=None)
    for _ in range(2 * len(SCHEDULE)):
        shop.wait_and_work(timedelta(days=1))
    assert "psp_fees:eur" not in shop.balances()
    assert shop.breaks() == set()
    shop.sim.faults.clear()
    shop.wait_and_work(OUTAGE)
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]


def test_47_the_first_page_of_a_balance_is_not_taken_for_the_whole(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an adapter that reads one page; it shows a hundred, and there are more."""
    payment = shop.create_payment().id
    shop.confirm_payment(payment, payment_method=VISA)
    page = listing._page
    with monkeypatch.context() as patched:
        patched.setattr(
            listing, "_page", lambda *given: replace(page(*given), has_more=True)
        )
        shop.wait_and_work(OUTAGE)
    assert "psp_fees:eur" not in shop.balances()
    shop.wait_and_work(OUTAGE)
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]
