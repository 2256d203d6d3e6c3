"""Dead letters: shown without payer data, replayed or given up by a person, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from sqlalchemy.exc import DBAPIError

from paykit import CardDataRefused, InvalidRequest, NotAllowed, NotFound
from paykit.operations.dead_letters import WebhookView
from paykit.operations.preview import PREVIEW_MAX, preview
from paykit.store import dead_letters
from paykit.testing.simulated import Fault
from paykit.workers.inbox import RETRIES
from tests.databases import PostgresServer
from tests.engine.test_counts import counting
from tests.failures.stories import body_of, push_raw
from tests.support import VISA, Shop, open_shop


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("CRITICAL", "paykit"):
        yield


def _broken(shop: Shop, *names: str) -> None:
    """Receive events without an amount, and let them die."""
    event = body_of(shop, shop.sim.events()[0])
    event["data"]["object"].pop("amount")
    for name in names:
        push_raw(shop, {**event, "id": name})
    shop.work()
    for delay in RETRIES:
        shop.wait_and_work(delay)


def _mended(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Release a version that can read them: events without an amount have no use."""
    read = shop.psp.read_event
    ours = body_of(shop, shop.sim.events()[0])

    def lenient(body: bytes) -> Any:
        event = json.loads(body)
        event["data"] = ours["data"]
        return read(json.dumps(event).encode())

    monkeypatch.setattr(shop.psp, "read_event", lenient)


def _dead(shop: Shop, **filters: Any) -> tuple[WebhookView, ...]:
    items: tuple[WebhookView, ...] = shop.wait(
        shop.service.operator.dead_letters(**filters)
    ).items
    return items


def _do(shop: Shop, method: str, *args: Any, **fields: Any) -> Any:
    return shop.wait(getattr(shop.service.operator, method)(*args, **fields))


# -- seeing them -----------------------------------------------------------------------


def test_a_dead_letter_is_shown_with_all_that_tells_why(shop: Shop) -> None:
    shop.create_payment()
    received = shop.world.now()
    _broken(shop, "evt_broken")
    (found,) = _dead(shop)
    assert found.id.endswith("/evt_broken")
    assert (found.event_id, found.status) == ("evt_broken", "dead")
    assert found.event_type == "payment_intent.created"
    assert (found.failures, found.deferrals, found.unread) == (len(RETRIES) + 1, 0, 0)
    assert found.received_at == received
    assert found.first_failed_at == received
    assert found.dead_at is not None
    assert found.age_seconds == (shop.world.now() - received).total_seconds()
    assert (found.reason or "").startswith("ValueError in ")
    assert shop.reference(shop.scalar("SELECT id FROM paykit_payment")) in (
        found.preview or ""
    )
    assert not found.erased


def test_pages_end_and_hold_every_dead_letter_once(shop: Shop) -> None:
    shop.create_payment()
    _broken(shop, *(f"evt_{number}" for number in range(5)))
    seen: list[str] = []
    after: str | None = None
    while True:
        page = _do(shop, "dead_letters", limit=2, after=after)
        seen += [one.event_id for one in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [f"evt_{number}" for number in range(5)]
    assert _dead(shop, event_type="charge.succeeded") == ()
    assert len(_dead(shop, event_type="payment_intent.created")) == 5
    assert _dead(shop, reason="100%") == ()
    assert len(_dead(shop, reason="ValueError in")) == 5


def test_a_preview_shows_states_and_ids_and_nobody() -> None:
    payer: Final[dict[str, Any]] = {
        "name": "Jane Doe",
        "email": "jane@example.com",
        "phone": "+49 30 123456",
        "address": {"line1": "Main St 1", "postal_code": 12345, "city": "Springfield"},
    }
    secret = "pi_1_secret_abcdef"
    body = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "api_version": "2026-01-01",
        "data": {
            "object": {
                "id": "pi_1",
                "object": "payment_intent",
                "status": "succeeded",
                "amount": 4242424242424242,
                "client_secret": secret,
                "description": "for Jane Doe",
                "metadata": {"id": "Jane", "status": "secret"},
                "billing_details": payer,
                "shipping": payer,
                "latest_charge": {"id": "ch_1", "billing_details": payer},
                "currency": "card of Jane Doe",
            },
            "previous_attributes": payer,
        },
    }
    shown = preview(json.dumps(body).encode())
    told = json.loads(shown.replace("[card number]", "0"))
    assert told["data"]["object"]["id"] == "pi_1"
    assert told["data"]["object"]["status"] == "succeeded"
    for hidden in ("Jane", "jane", "Main", "12345", "4242", "secret", "Springfield"):
        assert hidden not in shown, hidden


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[" * 200_000, b'{"id": "' + b"x" * 100_000 + b'"}', b"3"],
)
def test_a_preview_of_anything_is_short_and_never_an_error(body: bytes) -> None:
    assert len(preview(body)) <= PREVIEW_MAX


# -- replay ----------------------------------------------------------------------------


def test_a_replayed_dead_letter_is_applied_as_if_it_had_just_come(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.create_payment()
    _broken(shop, "evt_broken")
    (found,) = _dead(shop)
    _mended(shop, monkeypatch)
    back = _do(shop, "replay", found.id, actor="ann")
    assert (back.status, back.failures, back.reason) == ("received", 0, None)
    assert (back.first_failed_at, back.dead_at) == (None, None)
    assert shop.work().done["inbox"] == {"applied": 1}
    view = _do(shop, "webhook", found.id)
    assert (view.status, view.payment_id is not None) == ("applied", True)
    (action,) = view.actions
    assert (action.action, action.actor, action.status_before) == (
        "replay",
        "ann",
        "dead",
    )
    assert action.reason_before == found.reason
    assert shop.wait(shop.service.health()).inbox.dead == 0


def test_a_replay_that_fails_again_has_its_whole_schedule_again(shop: Shop) -> None:
    shop.create_payment()
    _broken(shop, "evt_broken")
    (found,) = _dead(shop)
    _do(shop, "replay", found.id, actor="ann")
    assert shop.work().done["inbox"] == {"retried": 1}
    for delay in RETRIES[:-1]:
        assert shop.wait_and_work(delay).done["inbox"] == {"retried": 1}
    assert shop.wait_and_work(RETRIES[-1]).done["inbox"] == {"dead": 1}


def test_a_replay_is_done_once_however_often_it_is_asked_for(shop: Shop) -> None:
    shop.create_payment()
    _broken(shop, "evt_broken")
    (found,) = _dead(shop)
    for actor in ("ann", "bob"):
        assert _do(shop, "replay", found.id, actor=actor).status == "received"
    assert [a.actor for a in _do(shop, "webhook", found.id).actions] == ["ann"]
    assert shop.scalar("SELECT count(*) FROM paykit_work WHERE queue = 'inbox'") == 1


def test_of_two_people_who_replay_at_once_one_does(
    postgres: PostgresServer, postgres_template: str
) -> None:
    """On PostgreSQL, where two transactions can be at it; SQLite has them in turns."""
    database = postgres.take(template=postgres_template)
    shop = open_shop(database, "threads")
    shop.create_payment()
    _broken(shop, "evt_broken")
    (found,) = _dead(shop)
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor(1) as other:

        def first(tx: Any) -> Any:
            dead_letters.replay(tx, [found.id], actor="ann")
            second = other.submit(_do, shop, "replay", found.id, actor="bob")
            while not shop.scalar(waiting) and not second.done():
                pass
            return second

        second = shop.wait(shop.service.driver.commit(first))
        assert second.result(30).status == "received"
    assert [one.actor for one in _do(shop, "webhook", found.id).actions] == ["ann"]
    assert shop.work().done["inbox"] == {"retried": 1}
    postgres.drop(database)


def test_all_that_fit_are_replayed_and_the_others_stay(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paykit.operations.dead_letters._AT_ONCE", 2)
    shop.create_payment()
    _broken(shop, *(f"evt_{number}" for number in range(5)))
    assert _do(shop, "replay_all", actor="ann", event_type="a.b") == 0
    assert _do(shop, "replay_all", actor="ann", reason="no such words") == 0
    assert len(_dead(shop)) == 5
    assert _do(shop, "replay_all", actor="ann", reason="ValueError in") == 5
    assert _dead(shop) == ()
    _mended(shop, monkeypatch)
    assert shop.work().done["inbox"] == {"applied": 5}


def test_an_ignored_webhook_can_be_replayed_and_an_applied_one_not(
    shop: Shop,
) -> None:
    shop.create_payment()
    (event,) = shop.sim.events()
    shop.push(event)
    odd = {"id": "evt_odd", "data": {"object": {"id": "x", "object": "hologram"}}}
    push_raw(shop, {**body_of(shop, event), **odd})
    shop.work()
    rows = {
        row["status"]: row["id"]
        for row in shop.query("SELECT id, status FROM paykit_inbox")
    }
    assert _do(shop, "replay", rows["ignored"], actor="ann").status == "received"
    assert shop.work().done["inbox"] == {"ignored": 1}
    with pytest.raises(NotAllowed, match="was applied"):
        _do(shop, "replay", rows["applied"], actor="ann")
    with pytest.raises(NotFound):
        _do(shop, "replay", "nobody/evt_0", actor="ann")


def test_a_replay_whose_commit_was_lost_leaves_it_dead_and_pending_nowhere(
    quick: Shop,
) -> None:
    """Status and work are one transaction; a trigger ties them together."""
    quick.create_payment()
    _broken(quick, "evt_broken")
    (found,) = _dead(quick)
    with quick.engine.connect() as connection:
        connection.exec_driver_sql(
            "UPDATE paykit_inbox SET status = 'received', dead_at = NULL"
        )
        count = "SELECT count(*) FROM paykit_work WHERE queue = 'inbox'"
        assert connection.exec_driver_sql(count).scalar() == 1
        connection.rollback()
    assert _do(quick, "webhook", found.id).status == "dead"
    assert quick.scalar(count) == 0


# -- giving up -------------------------------------------------------------------------


def test_a_discarded_dead_letter_is_closed_with_actor_and_reason(shop: Shop) -> None:
    shop.create_payment()
    _broken(shop, "evt_broken")
    (found,) = _dead(shop)
    for _ in range(2):
        view = _do(shop, "discard", found.id, actor="ann", reason="a test of theirs")
        assert view.status == "ignored"
        assert view.reason == "discarded by ann: a test of theirs"
        (action,) = view.actions
        assert (action.action, action.reason) == ("discard", "a test of theirs")
    assert _dead(shop) == ()
    assert _do(shop, "replay", found.id, actor="bob").status == "received"
    actions = [one.action for one in _do(shop, "webhook", found.id).actions]
    assert actions == ["discard", "replay"]
    with pytest.raises(NotAllowed):
        _do(shop, "discard", found.id, actor="ann", reason="pending")


# -- the record and the input ----------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE paykit_inbox_action SET actor = 'nobody'",
        "DELETE FROM paykit_inbox_action",
    ],
)
def test_who_did_it_cannot_be_rewritten(shop: Shop, statement: str) -> None:
    shop.create_payment()
    _broken(shop, "evt_broken")
    _do(shop, "replay", _dead(shop)[0].id, actor="ann")
    with pytest.raises(DBAPIError, match="never changed"):
        shop.execute(statement)


BAD: Final[dict[str, Callable[[Any], Any]]] = {
    "no actor": lambda operator: operator.replay("a/b", actor=""),
    "no id": lambda operator: operator.replay("", actor="ann"),
    "long actor": lambda operator: operator.replay("a/b", actor="a" * 101),
    "no reason": lambda operator: operator.discard("a/b", actor="ann", reason=""),
    "nul in a filter": lambda operator: operator.replay_all(actor="a", reason="\0"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_never_reaches_the_database(
    quick: Shop, bad: Callable[[Any], Any]
) -> None:
    with counting(quick) as counter, pytest.raises(InvalidRequest):
        bad(quick.service.operator)
    assert (counter.statements, counter.commits) == ([], 0)


@pytest.mark.parametrize("limit", [0, -1, 501, "2", True])
def test_a_page_has_a_limit(quick: Shop, limit: Any) -> None:
    with pytest.raises(InvalidRequest):
        _do(quick, "dead_letters", limit=limit)


def test_a_card_number_reaches_no_record(quick: Shop) -> None:
    with pytest.raises(CardDataRefused):
        _do(quick, "discard", "a/b", actor="ann", reason="card 4242 4242 4242 4242")


def test_an_outage_makes_no_dead_letters(quick: Shop) -> None:
    payment = quick.create_payment().id
    quick.settle()
    quick.sim.call("confirm_payment", quick.reference(payment), payment_method=VISA)
    quick.sim.faults.add(Fault.LOSE_REQUEST, times=1000)
    event = body_of(quick, quick.sim.events()[-1])
    push_raw(quick, {**event, "id": "evt_old", "api_version": "2019-01-01"})
    for delay in (*RETRIES, *RETRIES):
        quick.wait_and_work(delay)
    assert _dead(quick) == ()
