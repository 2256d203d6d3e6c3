"""Breaks: what a person sees of them, and closing one without hiding the next."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest

from paykit import InvalidRequest, Money, NotAllowed, NotFound, cli
from paykit.engine import commit
from paykit.operations import breaks as operations
from paykit.operations.breaks import BreakView
from paykit.operations.observe_payout import MONEY_NOT_SHOWN
from paykit.store import breaks, payments
from paykit.store.tx import Tx
from tests.operations.test_payouts import MADE, heard_and_read
from tests.support import Shop

WHY: Final = {"actor": "kim", "reason": "agreed with the customer"}
CARD: Final = "4242424242424242"


def _operator(shop: Shop, method: str, *arguments: object, **fields: object) -> Any:
    return shop.wait(getattr(shop.service.operator, method)(*arguments, **fields))


def _listed(shop: Shop, **fields: object) -> list[BreakView]:
    return list(_operator(shop, "list_breaks", **fields).items)


def _close(shop: Shop, one: BreakView, **fields: str) -> BreakView:
    closed: BreakView = _operator(shop, "close_break", one.id, **{**WHY, **fields})
    return closed


def _history(shop: Shop, payment: str) -> list[dict[str, Any]]:
    events = shop.wait(shop.service.payment_events(payment))
    return [one.data for one in events if one.type == "break.closed"]


def _disputed(shop: Shop, amount: int = 1200) -> str:
    """Return a payment of which more is disputed than was captured."""
    payment = shop.paid()
    shop.settle()
    shop.sim.controls.open_dispute(shop.reference(payment), amount=amount)
    shop.settle()
    return payment


def _differ(shop: Shop, payment: str, kind: str = "x", **fields: Any) -> None:
    """Let something about the payment not fit."""
    detail = fields.pop("detail", {"amount": 1})

    def open_one(tx: Tx) -> None:
        row = payments.load(tx, payment, merchant=None, lock=True)
        breaks.open_break(tx, row.aggregate, kind, detail, **fields)

    shop.run(commit(open_one))


# -- what a person sees ----------------------------------------------------------------


def test_a_break_tells_what_it_is_about(shop: Shop) -> None:
    payment = _disputed(shop)
    (dispute,) = shop.wait(shop.service.list_disputes(payment))
    (found,) = _listed(shop)
    assert (found.kind, found.aggregate) == ("disputed_too_much", "payment")
    assert (found.aggregate_id, found.merchant) == (payment, "default")
    assert found.detail == {"dispute": dispute.psp_reference, "amount": 1200}
    assert (found.closed_at, found.closed_by, found.reason) == (None, None, None)
    assert _operator(shop, "get_break", found.id) == found
    with pytest.raises(NotFound):
        _operator(shop, "get_break", "nothing")


def test_breaks_come_in_pages_oldest_first(shop: Shop) -> None:
    payment, opened = shop.paid(), []
    for number in (5, 4, 3, 2, 1):
        _differ(shop, payment, f"kind_{number}")
        opened.append(f"kind_{number}")
        if number % 2:
            shop.world.advance(timedelta(minutes=5))
    found: list[BreakView] = []
    after = None
    while True:
        page = _operator(shop, "list_breaks", limit=2, after=after)
        found += page.items
        after = page.next
        if after is None:
            break
    assert [one.opened_at for one in found] == sorted(one.opened_at for one in found)
    assert sorted(one.kind for one in found) == sorted(opened)
    for wrong in (
        {"limit": 0},
        {"limit": 501},
        {"after": "x"},
        {"after": "2030-01-01 "},
    ):
        with pytest.raises(InvalidRequest):
            _operator(shop, "list_breaks", **wrong)


def test_health_tells_how_many_are_open_and_since_when(shop: Shop) -> None:
    payment = shop.paid()
    health = shop.wait(shop.service.health())
    assert (health.attention["breaks"], health.oldest_break_seconds) == (0, None)
    _differ(shop, payment, "first")
    shop.world.advance(timedelta(seconds=40))
    _differ(shop, payment, "second")
    health = shop.wait(shop.service.health())
    assert (health.attention["breaks"], health.oldest_break_seconds) == (2, 40)
    _close(shop, _listed(shop)[0])
    health = shop.wait(shop.service.health())
    assert (health.attention["breaks"], health.oldest_break_seconds) == (1, 0)


# -- closing ---------------------------------------------------------------------------


def test_whoever_closes_a_break_stands_in_the_history(shop: Shop) -> None:
    payment = _disputed(shop)
    before = shop.balances()
    (found,) = _listed(shop)
    closed = _close(shop, found)
    assert (closed.closed_by, closed.reason) == (WHY["actor"], WHY["reason"])
    assert closed.closed_at == shop.world.now()
    assert _listed(shop) == []
    assert _listed(shop, closed=True) == [closed]
    (told,) = _history(shop, payment)
    assert (told["break_id"], told["kind"]) == (found.id, found.kind)
    assert told["detail"] == found.detail
    assert (told["actor"], told["reason"]) == (WHY["actor"], WHY["reason"])
    last = shop.wait(shop.service.payment_events(payment))[-1]
    assert last.cause == "person kim"
    assert shop.balances() == before
    assert not shop.wait(shop.service.health()).needs_a_person


def test_a_break_of_a_payout_is_closed_in_its_history(quick: Shop) -> None:
    heard_and_read(quick, MADE)
    payout = quick.scalar("SELECT id FROM paykit_payout")
    quick.execute(
        "INSERT INTO paykit_break (id, merchant_id, aggregatetype, aggregateid, kind, "
        "detail, opened_at) VALUES ('b', 'default', 'payout', :id, :kind, '{}', :now)",
        id=payout,
        kind=MONEY_NOT_SHOWN,
        now="2030-01-01 00:00:00",
    )
    (found,) = _listed(quick)
    _close(quick, found)
    last = quick.wait(quick.service.payout_events(payout))[-1]
    assert (last.type, last.data["break_id"]) == ("break.closed", "b")


def test_the_same_decision_again_changes_nothing_and_another_one_is_refused(
    shop: Shop,
) -> None:
    payment = _disputed(shop)
    (found,) = _listed(shop)
    closed = _close(shop, found)
    assert _close(shop, found) == closed
    for other in ({"actor": "lee"}, {"reason": "never mind"}):
        with pytest.raises(NotAllowed):
            _close(shop, found, **other)
    assert len(_history(shop, payment)) == 1
    with pytest.raises(NotFound):
        _operator(shop, "close_break", "nothing", **WHY)


def test_a_lost_reply_to_commit_closes_once(shop: Shop) -> None:
    """The driver runs the phase again, and it recognises its own commit."""
    payment = _disputed(shop)
    (found,) = _listed(shop)
    flow = operations.close_break(found.id, WHY["actor"], WHY["reason"])
    effect: Any = next(flow)
    shop.run(commit(effect.phase))
    assert shop.run(commit(effect.phase)).closed_by == WHY["actor"]
    assert len(_history(shop, payment)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"actor": ""},
        {"actor": "x" * 65},
        {"reason": ""},
        {"reason": "x" * 501},
        {"reason": f"card {CARD}"},
    ],
)
def test_bad_words_are_refused_before_anything_is_written(
    quick: Shop, fields: dict[str, str]
) -> None:
    _differ(quick, quick.paid())
    (found,) = _listed(quick)
    before = quick.counts()
    with pytest.raises(InvalidRequest):
        _close(quick, found, **fields)
    assert quick.counts() == before
    assert _listed(quick) == [found]


# -- and what comes after --------------------------------------------------------------


def test_the_same_shown_again_stays_closed(shop: Shop) -> None:
    payment = _disputed(shop)
    (found,) = _listed(shop)
    _close(shop, found)
    shop.sim.controls.resolve_dispute(str(found.detail["dispute"]), "lost")
    shop.settle()
    shop.refresh(payment)
    assert _listed(shop) == []


def test_a_new_one_of_the_same_kind_is_shown_although_one_was_closed(
    shop: Shop,
) -> None:
    payment = _disputed(shop)
    (found,) = _listed(shop)
    _close(shop, found)
    shop.world.advance(timedelta(days=1))
    second = shop.sim.controls.open_dispute(shop.reference(payment), amount=300)
    shop.settle()
    (again,) = _listed(shop)
    assert again.detail["dispute"] == second
    assert (again.closed_at, again.closed_by, again.reason) == (None, None, None)
    assert again.opened_at > found.opened_at
    assert len(_history(shop, payment)) == 1, "what was decided stays written down"


def test_a_second_object_is_shown_although_another_one_was_closed(shop: Shop) -> None:
    """Each is money of somebody's: three refunds carry the id of one of ours."""
    payment = shop.paid()
    shop.refund_payment(payment, amount=Money(200, "eur"))
    shop.settle()
    created = next(e for e in shop.sim.events() if e.type == "refund.created")
    tags = json.loads(shop.sim.webhook(created)[0])["data"]["object"]["metadata"]
    for _ in range(2):
        shop.sim.call(
            "create_refund",
            payment_intent=shop.reference(payment),
            amount=200,
            metadata=tags,
        )
        shop.settle()
        (found,) = _listed(shop)
        assert found.kind == "second_object"
        _close(shop, found)
    assert len(_listed(shop, closed=True)) == 2


def test_what_was_over_and_is_back_is_shown_whoever_had_closed_it(shop: Shop) -> None:
    payment = shop.paid()
    reopen = partial(_differ, shop, payment, again=True)
    reopen()
    (found,) = _listed(shop)
    _close(shop, found)
    reopen()
    assert _listed(shop) == [], "nothing has changed since it was closed"

    def over(tx: Tx) -> None:
        payments.load(tx, payment, merchant=None, lock=True)
        breaks.close_break(tx, payment, "x")

    shop.run(commit(over))
    assert [one.closed_by for one in _listed(shop, closed=True)] == [None]
    reopen()
    assert [one.kind for one in _listed(shop)] == ["x"]
    shop.run(commit(over))
    assert _listed(shop) == []


# -- from the shell --------------------------------------------------------------------


@pytest.fixture
def command(quick: Shop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(cli, "_service", lambda name: quick.service)
    return ["breaks", "--factory", "shop:service"]


def test_the_command_lists_shows_and_closes(
    quick: Shop, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    payment = quick.paid()
    for number in range(60):
        _differ(quick, payment, f"kind_{number}")
    assert cli.main(command) == cli.OK
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 60
    id_ = f"{payment}/kind_7"
    assert [line.split()[1] for line in said if line.startswith(f"{id_} ")] == [
        "kind_7"
    ]
    assert cli.main([*command, id_]) == cli.OK
    assert json.loads(capsys.readouterr().out)["closed_at"] is None
    who = ["--actor", "kim", "--reason", "agreed"]
    assert cli.main([*command, id_, "--close", *who]) == cli.OK
    assert json.loads(capsys.readouterr().out)["closed_by"] == "kim"
    assert cli.main(command) == cli.OK
    assert id_ not in capsys.readouterr().out
    assert cli.main([*command, "--closed"]) == cli.OK
    assert "closed by kim" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--close", "--actor", "kim", "--reason", "why"], cli.WRONG_USE),
        (["nothing"], cli.FAILED),
        (["nothing", "--close"], cli.FAILED),
    ],
)
def test_the_command_says_what_is_wrong(
    command: list[str],
    arguments: list[str],
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([*command, *arguments]) == status
    assert capsys.readouterr().err.startswith("paykit: ")
