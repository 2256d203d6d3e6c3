"""Payouts begin at the PSP: adopted, booked by what they move, and only read here."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any, Final

import pytest

from paykit import (
    EventView,
    InProgress,
    InvalidRequest,
    LedgerConflict,
    NotFound,
    PayoutState,
    PayoutView,
)
from paykit.engine import commit
from paykit.operations.observe_payout import MONEY_NOT_SHOWN, follow_payout
from paykit.operations.verdicts import Heard, Needs, Read, Reads, Verdict
from paykit.psp import (
    BalanceTransaction,
    Named,
    PayoutSnapshot,
    PayoutStatus,
    PspEvent,
    ReadPayout,
    Subject,
)
from paykit.store.followed import FollowedTable
from paykit.store.payouts import PAYOUTS, PayoutRow
from paykit.store.tx import Tx
from tests.databases import Database
from tests.support import FrozenWorld, Shop

BINDING: Final = "simulated:default:test"

OUT: Final = BalanceTransaction(
    reference="txn_out",
    source="po_1",
    category="payout",
    amount=-1000,
    fee=0,
    currency="eur",
)
BACK: Final = replace(OUT, reference="txn_back", amount=1000)
MADE: Final = PayoutSnapshot(
    reference="po_1",
    status=PayoutStatus.PENDING,
    raw_status="pending",
    amount=1000,
    currency="eur",
    automatic=False,
    arrival=None,
    failure_code=None,
    movements=(OUT,),
    named=(),
)


def as_(status: PayoutStatus, **changes: Any) -> PayoutSnapshot:
    return replace(MADE, status=status, raw_status=status.value, **changes)


def told_by_event(seen: PayoutSnapshot) -> PayoutSnapshot:
    """Return what an event shows of it: the movements only by their ids."""
    ids = tuple(movement.reference for movement in seen.movements)
    return replace(seen, movements=(), named=ids)


FAILED: Final = as_(
    PayoutStatus.FAILED, failure_code="account_closed", movements=(OUT, BACK)
)
CANCELED: Final = as_(PayoutStatus.CANCELED, movements=(OUT, BACK))


def follow(
    shop: Shop,
    subject: Subject,
    read: Subject = None,
    *,
    version: int | None = None,
    owner: str = "default",
) -> Verdict | Needs:
    """Take in `subject`, with what was `read` while the row was at `version`."""
    request = ReadPayout(payout="po_1")
    reads: Reads = {} if read is None else {request: Read(read, version)}
    event = PspEvent(id="evt_1", type="payout.updated", subject=subject)
    heard = Heard(
        binding=BINDING,
        event=event,
        reads=reads,
        owner=owner,
        serves=lambda _: True,
        cause="webhook evt_1",
    )
    outcome: Verdict | Needs = shop.run(
        commit(lambda tx: follow_payout(tx, heard, subject))
    )
    return outcome


def heard_and_read(shop: Shop, seen: PayoutSnapshot) -> None:
    """Take in the event of `seen`; what it does not prove is read, and is `seen`."""
    event = told_by_event(seen)
    outcome = follow(shop, event)
    if isinstance(outcome, Needs):
        outcome = follow(shop, event, seen, version=outcome.version)
    assert outcome == Verdict("applied")


def the(shop: Shop) -> PayoutView:
    (payout,) = shop.wait(shop.service.list_payouts()).items
    return payout


def history(shop: Shop) -> list[EventView]:
    return list(shop.wait(shop.service.payout_events(the(shop).id)))


def types(shop: Shop) -> list[str]:
    return [event.type for event in history(shop)]


def open_breaks(shop: Shop) -> list[str]:
    rows = shop.query(
        "SELECT kind, aggregatetype FROM paykit_break WHERE resolved_at IS NULL"
    )
    return [f"{row['aggregatetype']}: {row['kind']}" for row in rows]


# -- from the provider through the inbox -----------------------------------------------


def test_a_manual_payout_is_adopted_and_its_cancellation_brings_the_money_back(
    shop: Shop,
) -> None:
    shop.paid(payment_method="pm_card_bypassPending")
    shop.settle()
    before = shop.balances()
    made = shop.sim.call("create_payout", amount=900, currency="eur")
    shop.settle()
    payout = the(shop)
    assert (payout.psp_reference, payout.state) == (made["id"], PayoutState.PENDING)
    assert (payout.amount, payout.currency, payout.automatic) == (900, "eur", False)
    assert payout.arrival == payout.created_at + timedelta(days=2)
    assert (payout.merchant, payout.raw_status) == ("default", "pending")
    assert shop.balances()["payouts:eur"] == 900
    shop.sim.call("cancel_payout", str(made["id"]))
    shop.settle()
    assert the(shop).state is PayoutState.CANCELED
    assert shop.balances() == before
    assert types(shop) == ["payout.created", "payout.canceled"]
    assert history(shop)[-1].from_state == "pending"
    kinds = shop.query(
        "SELECT kind FROM paykit_ledger_transfer WHERE payment_id IS NULL"
    )
    assert [row["kind"] for row in kinds] == ["payout", "payout_cancellation"]


def test_an_event_that_says_nothing_new_is_not_read(shop: Shop) -> None:
    shop.paid()
    shop.settle()
    payout = shop.sim.controls.create_automatic_payout("eur")
    shop.sim.controls.advance_payout(payout, "in_transit")
    shop.watch.sent.clear()
    shop.deliver()
    shop.work()
    assert shop.watch.verbs().count("read_payout") == 1, "one for what has moved"
    shop.sim.controls.advance_payout(payout, "paid")
    shop.watch.sent.clear()
    shop.deliver()
    shop.work()
    assert "read_payout" not in shop.watch.verbs(), "the payload proves it"
    assert the(shop).state is PayoutState.PAID


def test_handlers_hear_of_a_payout_in_order(shop: Shop) -> None:
    heard: list[tuple[str, str, str | None]] = []

    def handle(event: EventView, _: object) -> None:
        heard.append((event.type, event.aggregate_id, event.payment_id))

    async def handle_async(event: EventView, session: object) -> None:
        handle(event, session)

    shop.service.on("payout.*")(handle_async if shop.is_async else handle)
    shop.paid()
    shop.settle()
    payout = shop.sim.controls.create_automatic_payout("eur")
    for status in ("in_transit", "paid", "failed"):
        shop.settle()
        shop.sim.controls.advance_payout(payout, status)
    shop.settle()
    id_ = the(shop).id
    assert heard == [
        (f"payout.{word}", id_, None)
        for word in ("created", "in_transit", "paid", "failed")
    ]


# -- what a payload proves, and what it does not ---------------------------------------


def test_what_has_moved_and_is_only_named_is_read_first(quick: Shop) -> None:
    event = told_by_event(MADE)
    assert follow(quick, event) == Needs(ReadPayout(payout="po_1"), None)
    assert quick.counts()["paykit_payout"] == 0
    heard_and_read(quick, MADE)
    assert quick.balances() == {"payouts:eur": 1000, "psp_balance:eur": -1000}
    assert follow(quick, event) == Verdict("applied")


def test_what_was_read_of_another_version_is_read_again(quick: Shop) -> None:
    heard_and_read(quick, MADE)
    stale = as_(PayoutStatus.PAID)
    named = Named(kind="payout", reference="po_1")
    wanted = Needs(ReadPayout(payout="po_1"), 2)
    assert follow(quick, named, stale, version=None) == wanted
    assert follow(quick, named, stale, version=1) == wanted
    assert the(quick).state is PayoutState.PENDING


def test_two_looks_at_one_status_have_no_order_and_are_read(quick: Shop) -> None:
    heard_and_read(quick, MADE)
    moved_on = replace(told_by_event(MADE), arrival=quick.world.now())
    assert isinstance(follow(quick, moved_on), Needs)
    heard_and_read(quick, replace(MADE, arrival=quick.world.now()))
    assert the(quick).arrival == quick.world.now()
    assert types(quick) == ["payout.created", "payout.updated"]


@pytest.mark.parametrize("read", [True, False], ids=["read", "only heard of"])
def test_an_old_reading_is_overtaken_by_a_look_that_shows_nothing_new(
    quick: Shop, read: bool
) -> None:
    """
    A word that we do not know, and back, while the event of the first is being read.

    Were the second look not noted, the first reading would be written down as newer.
    """
    heard_and_read(quick, as_(PayoutStatus.PAID))
    odd = replace(as_(PayoutStatus.UNRECOGNIZED), raw_status="carried_by_pigeon")
    first, second = (follow(quick, told_by_event(odd)) for _ in range(2))
    assert isinstance(first, Needs)
    assert isinstance(second, Needs)
    back = as_(PayoutStatus.PAID)
    if read:
        follow(quick, told_by_event(odd), back, version=second.version)
    else:
        follow(quick, told_by_event(back))
    late = follow(quick, told_by_event(odd), odd, version=first.version)
    assert isinstance(late, Needs)
    assert (the(quick).raw_status, types(quick)[-1]) == ("paid", "payout.paid")


@pytest.mark.parametrize("end", [FAILED, CANCELED], ids=["failed", "canceled"])
@pytest.mark.parametrize("late", [*PayoutStatus])
def test_nothing_that_comes_late_moves_a_payout_from_its_end(
    quick: Shop, end: PayoutSnapshot, late: PayoutStatus
) -> None:
    heard_and_read(quick, end)
    known, books = the(quick), quick.balances()
    heard_and_read(quick, as_(late, movements=(OUT, BACK)))
    assert the(quick).state is known.state
    assert quick.balances() == books


def test_a_word_that_is_new_is_kept_and_moves_nothing(quick: Shop) -> None:
    heard_and_read(quick, as_(PayoutStatus.IN_TRANSIT))
    odd = as_(PayoutStatus.UNRECOGNIZED)
    odd = replace(odd, raw_status="carried_by_pigeon" * 9)
    heard_and_read(quick, odd)
    payout = the(quick)
    assert payout.state is PayoutState.IN_TRANSIT
    assert payout.raw_status == ("carried_by_pigeon" * 9)[:64]
    late = told_by_event(as_(PayoutStatus.PAID))
    assert isinstance(follow(quick, late), Needs), "such a word has no order"
    heard_and_read(quick, as_(PayoutStatus.PAID))
    assert the(quick).raw_status == "paid"


def test_a_payout_that_is_first_seen_with_a_word_that_is_new_is_read(
    quick: Shop,
) -> None:
    """It may be another thing than we think; nothing has moved that we could book."""
    odd = replace(MADE, status=PayoutStatus.UNRECOGNIZED, movements=())
    assert follow(quick, odd) == Needs(ReadPayout(payout="po_1"), None)


def test_a_payout_that_was_read_without_its_movements_is_an_error(quick: Shop) -> None:
    event = told_by_event(MADE)
    with pytest.raises(LookupError, match="without what it has moved"):
        follow(quick, event, event)
    assert quick.counts()["paykit_payout"] == 0


def test_a_payout_that_the_psp_does_not_know_is_an_error(quick: Shop) -> None:
    named = Named(kind="payout", reference="po_1")
    other = Named(kind="charge", reference="ch_1")
    with pytest.raises(LookupError, match="does not know"):
        follow(quick, named, other)


# -- the books -------------------------------------------------------------------------


def test_the_fee_of_a_payout_is_a_fee(quick: Shop) -> None:
    heard_and_read(quick, replace(MADE, movements=(replace(OUT, fee=10),)))
    assert quick.balances() == {
        "payouts:eur": 1000,
        "psp_balance:eur": -1010,
        "psp_fees:eur": 10,
    }
    returned = (replace(OUT, fee=10), replace(BACK, fee=-10))
    heard_and_read(quick, replace(FAILED, movements=returned))
    assert quick.balances() == {}


def test_what_the_psp_takes_from_our_bank_is_booked_the_other_way_round(
    quick: Shop,
) -> None:
    debit = replace(MADE, amount=-400, movements=(replace(OUT, amount=400),))
    heard_and_read(quick, debit)
    assert the(quick).amount == -400
    assert quick.balances() == {"payouts:eur": -400, "psp_balance:eur": 400}
    both = (*debit.movements, replace(BACK, amount=-400))
    heard_and_read(quick, replace(FAILED, amount=-400, movements=both))
    assert quick.balances() == {}
    kinds = quick.query("SELECT kind FROM paykit_ledger_transfer ORDER BY id")
    assert [row["kind"] for row in kinds] == ["bank_debit", "bank_debit_return"]


def test_a_movement_that_is_in_the_books_already_is_not_booked_again(
    quick: Shop,
) -> None:
    """Not even if our own note of it is lost: the fact has one key."""
    heard_and_read(quick, MADE)
    quick.execute("UPDATE paykit_payout SET movements = '[]'")
    heard_and_read(quick, as_(PayoutStatus.IN_TRANSIT))
    assert quick.balances()["payouts:eur"] == 1000
    quick.execute("UPDATE paykit_payout SET movements = '[]'")
    other = as_(PayoutStatus.PAID, movements=(replace(OUT, amount=-999),))
    with pytest.raises(LedgerConflict):
        heard_and_read(quick, other)


@pytest.mark.parametrize(
    ("incomplete", "whole"),
    [
        (replace(FAILED, movements=(OUT,)), FAILED),
        (replace(CANCELED, movements=(OUT,)), CANCELED),
        (as_(PayoutStatus.PAID, movements=()), as_(PayoutStatus.PAID)),
    ],
    ids=["failed", "canceled", "paid"],
)
def test_money_that_the_psp_does_not_show_is_shown_to_a_person_until_it_does(
    quick: Shop, incomplete: PayoutSnapshot, whole: PayoutSnapshot
) -> None:
    heard_and_read(quick, replace(MADE, movements=incomplete.movements))
    assert isinstance(follow(quick, told_by_event(incomplete)), Needs)
    heard_and_read(quick, incomplete)
    assert open_breaks(quick) == [f"payout: {MONEY_NOT_SHOWN}"]
    assert the(quick).state.value == whole.status.value
    heard_and_read(quick, whole)
    assert open_breaks(quick) == []
    paid_out = 1000 if whole.status is PayoutStatus.PAID else 0
    assert quick.balances().get("payouts:eur", 0) == paid_out


def test_nothing_comes_back_of_what_never_left(quick: Shop) -> None:
    heard_and_read(quick, as_(PayoutStatus.CANCELED, movements=()))
    assert quick.counts()["paykit_break"] == 0


def test_a_payout_stays_with_the_owner_who_had_the_account_when_it_began(
    quick: Shop,
) -> None:
    follow(quick, told_by_event(MADE), MADE, owner="m_1")
    assert quick.balances("m_1") == {"payouts:eur": 1000, "psp_balance:eur": -1000}
    after = told_by_event(FAILED)
    assert follow(quick, after, FAILED, version=2, owner="m_2") == Verdict("applied")
    assert {*quick.balances("m_1"), *quick.balances("m_2")} == set()
    (payout,) = quick.wait(quick.service.list_payouts(merchant="m_1")).items
    assert payout.state is PayoutState.FAILED


# -- two workers -----------------------------------------------------------------------


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_of_two_workers_that_hear_of_it_first_one_adopts(installed: Database) -> None:
    """No lock holds what is not there yet: the second one waits and finds it."""
    engine, world = installed.engine(), FrozenWorld()
    seen: list[PayoutRow | None] = []
    key = {"binding": BINDING, "psp_reference": "po_1"}
    shown = ("raw_status", "amount", "currency", "automatic", "arrival", "failure_code")
    values = {name: getattr(MADE, name) for name in shown}
    values |= {**key, "merchant_id": "default"}

    def second() -> None:
        with engine.begin() as connection:
            tx = Tx(connection, world)
            seen.append(PAYOUTS.adopt(tx, {**values, "id": "po_second"}))
            seen.append(PAYOUTS.find(tx, **key))

    thread = threading.Thread(target=second)
    with engine.begin() as connection:
        first = PAYOUTS.adopt(Tx(connection, world), {**values, "id": "po_first"})
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "it waits for our commit"
    thread.join(10)
    assert first is not None
    assert seen == [None, first]


def test_who_comes_second_goes_on_with_what_the_first_has_written(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_and_read(quick, MADE)
    find, looks = PAYOUTS.find, count()

    def find_late(_: object, tx: Tx, **key: str) -> PayoutRow | None:
        return find(tx, **key) if next(looks) else None

    monkeypatch.setattr(FollowedTable, "find", find_late)
    paid = as_(PayoutStatus.PAID)
    assert follow(quick, told_by_event(paid), paid, version=None) == Verdict("applied")
    assert types(quick) == ["payout.created", "payout.paid"]
    assert quick.balances()["payouts:eur"] == 1000


# -- reading ---------------------------------------------------------------------------


def adopted(shop: Shop, number: int) -> str:
    """Take in one more payout, two of them in each second; return its id."""
    shop.world.advance(timedelta(seconds=number % 2))
    named = replace(MADE, reference=f"po_{number}", movements=())
    follow(shop, named)
    return next(
        payout.id
        for payout in shop.wait(shop.service.list_payouts(limit=500)).items
        if payout.psp_reference == named.reference
    )


def test_payouts_are_listed_by_the_page_newest_first(shop: Shop) -> None:
    ids = [adopted(shop, number) for number in range(5)]
    page = shop.wait(shop.service.list_payouts(limit=3))
    assert [payout.id for payout in page.items] == [ids[4], ids[3], ids[2]]
    page = shop.wait(shop.service.list_payouts(limit=2, after=page.next))
    assert [payout.id for payout in page.items] == [ids[1], ids[0]]
    assert page.next is None
    assert shop.wait(shop.service.get_payout(ids[1])) == page.items[0]


def test_payouts_are_listed_by_their_state(quick: Shop) -> None:
    first = adopted(quick, 2)
    heard_and_read(quick, FAILED)
    failed = quick.wait(quick.service.list_payouts(state=PayoutState.FAILED)).items
    pending = quick.wait(quick.service.list_payouts(state=PayoutState.PENDING)).items
    assert [one.psp_reference for one in failed] == ["po_1"]
    assert [one.id for one in pending] == [first]


def test_a_payout_of_another_merchant_is_not_there(shop: Shop) -> None:
    payout = adopted(shop, 1)
    service = shop.service
    assert shop.wait(service.list_payouts(merchant="m_2")).items == ()
    for read in (service.get_payout, service.payout_events):
        with pytest.raises(NotFound):
            shop.wait(read(payout, merchant="m_2"))
        with pytest.raises(NotFound):
            shop.wait(read("po_none"))
    with pytest.raises(NotFound):
        shop.wait(service.list_payouts(merchant="m_2", after=payout))


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"limit": 501}, {"state": "gone"}, {"merchant": ""}, {"after": ""}],
    ids=str,
)
def test_what_cannot_be_asked_is_refused(quick: Shop, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        quick.wait(quick.service.list_payouts(**wrong))
    with pytest.raises(InvalidRequest):
        quick.wait(quick.service.get_payout("x" * 65))


def test_what_somebody_else_has_changed_is_not_written_over(quick: Shop) -> None:
    """Its lock prevents that, unless the host writes beside paykit."""

    def bypassed(tx: Tx) -> None:
        row = PAYOUTS.find(tx, binding=BINDING, psp_reference="po_1")
        assert row is not None
        PAYOUTS.save(tx, row, {"failure_code": "first"}, cause="one")
        PAYOUTS.save(tx, row, {"failure_code": "second"}, cause="other")

    follow(quick, MADE)
    with pytest.raises(InProgress, match="payout po_"):
        quick.run(commit(bypassed))
