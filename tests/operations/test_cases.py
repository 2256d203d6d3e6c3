"""Cases: what a person sees of a doubt that nobody could settle, and may decide."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Event
from typing import Any, Final

import pytest

from paykit import (
    CardDataRefused,
    Executed,
    InvalidRequest,
    Money,
    NotAllowed,
    NotExecuted,
    NotFound,
    OperationView,
    OutcomeUnknown,
    PaykitError,
    PaymentState,
    PaymentView,
    PspRejected,
    PspUnavailable,
    RefundState,
    cli,
)
from paykit.engine import BreakerPolicy
from paykit.operations.apply_event import apply_event
from paykit.psp import Call
from paykit.testing.simulated import Fault
from tests.databases import Database, PostgresServer
from tests.engine.test_ladder import METHODS
from tests.support import DRIVERS, PATIENCE, Shop, open_shop

LOST: Final = Fault.LOSE_REQUEST
TOO_LATE: Final = timedelta(hours=23)
ONCE: Final = replace(PATIENCE, sends=1, schedule=())
"""Whoever does not know at once asks a person."""

SAYS: Final[dict[str, str]] = {
    "actor": "kim",
    "reason": "asked the support of the PSP",
    "evidence": "ticket 4711",
}
each = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(params=DRIVERS)
def desk(request: pytest.FixtureRequest, installed: Database) -> Iterator[Shop]:
    """A shop whose doubts become cases at once, with either service and database."""
    shop = open_shop(installed, request.param, policy=ONCE)
    try:
        yield shop
    finally:
        if shop.runner is not None:
            shop.runner.close()


@pytest.fixture
def swift(quick: Shop) -> Shop:
    """The same on SQLite only."""
    parts = {"world": quick.world, "sim": quick.sim}
    return open_shop(quick.database, "threads", policy=ONCE, **parts)  # type: ignore[arg-type]


def _operator(shop: Shop, method: str, *arguments: object, **fields: object) -> Any:
    return shop.wait(getattr(shop.service.operator, method)(*arguments, **fields))


def _decide(shop: Shop, operation: str, verdict: object, **fields: str) -> Any:
    given = {**SAYS, **fields}
    return _operator(shop, "resolve_case", operation, verdict=verdict, **given)


def _open_case(
    shop: Shop, name: str, fault: Fault = LOST
) -> tuple[str, Callable[[], Any]]:
    """Lose a call for good; return the operation and the call."""
    verb, read, prepare = METHODS[name]
    call = prepare(shop)
    shop.sim.faults.add(fault, verb=verb)
    shop.sim.faults.add(LOST, verb=read)
    with pytest.raises(OutcomeUnknown) as unknown:
        call()
    shop.sim.faults.clear()
    return unknown.value.operation_id, call


def _payment(shop: Shop, operation: str) -> str:
    found: OperationView = _operator(shop, "case", operation)
    assert found.payment_id is not None
    return found.payment_id


def _history(shop: Shop, operation: str, event: str) -> list[dict[str, Any]]:
    events = shop.wait(shop.service.payment_events(_payment(shop, operation)))
    return [one.data for one in events if one.type == event]


# -- what a person sees ----------------------------------------------------------------


def test_a_case_tells_all_that_is_known(desk: Shop) -> None:
    operation, _ = _open_case(desk, "refund")
    (listed,) = _operator(desk, "cases").items
    assert (listed.operation_id, listed.operation) == (operation, "payment.refund")
    assert listed.opened_at == desk.world.now()
    seen: OperationView = _operator(desk, "case", operation)
    assert (seen.status, seen.case) == ("case", listed)
    (attempt,) = seen.attempts
    assert attempt.key == desk.watch.sent[-2].idempotency_key
    assert attempt.write_deadline == attempt.first_sent_at + TOO_LATE
    assert [one.said["answer"] for one in attempt.heard] == ["Unknown"]
    assert attempt.outcome is None
    assert seen.psp_references == (desk.reference(listed.payment_id),)
    assert [dict(one)["read"] for one in seen.seen] == ["find_refund"]
    (told,) = _history(desk, operation, "operation.case_opened")
    assert (told["operation"], told["operation_id"]) == ("payment.refund", operation)
    assert [one["read"] for one in told["seen"]] == ["find_refund"]


def test_nothing_about_the_payer_is_shown(swift: Shop) -> None:
    swift.sim.faults.add(LOST, times=None)
    with pytest.raises(OutcomeUnknown) as unknown:
        swift.create_payment(
            receipt_email="payer@example.com",
            description="for Ada",
            metadata={"name": "Ada"},
        )
    seen = _operator(swift, "case", unknown.value.operation_id)
    assert "Ada" not in str(seen)
    assert "payer@" not in str(seen)
    assert seen.command["amount"] == 1000
    (event,) = _history(swift, unknown.value.operation_id, "operation.case_opened")
    assert "Ada" not in str(event)


def test_cases_come_in_pages_oldest_first(swift: Shop) -> None:
    opened = []
    for _ in range(5):
        swift.sim.faults.add(LOST, times=2)
        with pytest.raises(OutcomeUnknown) as unknown:
            swift.create_payment()
        opened.append(unknown.value.operation_id)
        swift.world.advance(timedelta(minutes=5))
    first = _operator(swift, "cases", limit=2)
    swift.world.advance(TOO_LATE)
    _decide(swift, opened[1], NotExecuted())
    second = _operator(swift, "cases", limit=2, after=first.next)
    third = _operator(swift, "cases", limit=2, after=second.next)
    pages = [first, second, third]
    assert [one.operation_id for page in pages for one in page.items] == opened
    assert third.next is None


@pytest.mark.parametrize("fields", [{"limit": 0}, {"limit": 501}, {"after": "x"}])
def test_a_page_that_cannot_be_is_refused(swift: Shop, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        _operator(swift, "cases", **fields)


def test_there_is_no_such_operation(swift: Shop) -> None:
    with pytest.raises(NotFound):
        _operator(swift, "case", "op_none")
    with pytest.raises(NotFound):
        _operator(swift, "look_again", "op_none", actor="kim")
    with pytest.raises(NotFound):
        _decide(swift, "op_none", NotExecuted())


@each
def test_a_case_gives_nothing_back(swift: Shop, name: str) -> None:
    operation, call = _open_case(swift, name)
    swift.world.advance(timedelta(days=30))
    swift.work()
    if name == "refund":
        assert swift.scalar("SELECT refund_reserved FROM paykit_payment") == 1000
    else:
        assert swift.claims() == {_payment(swift, operation): METHODS_CLAIM[name]}
    with pytest.raises(OutcomeUnknown, match="a person"):
        call()


METHODS_CLAIM: Final = {
    "create": "start_create",
    "confirm": "start_confirm",
    "capture": "start_capture",
    "part": "start_capture",
    "cancel": "start_cancel",
    "increment": "start_increment",
    "update": "start_update",
}


# -- not executed ----------------------------------------------------------------------


@each
def test_not_executed_fails_it_and_gives_everything_back(
    swift: Shop, name: str
) -> None:
    operation, call = _open_case(swift, name)
    swift.world.advance(TOO_LATE)
    swift.watch.sent.clear()
    assert _decide(swift, operation, NotExecuted()).status == "failed"
    assert swift.watch.writes() == []
    assert swift.claims() == {}
    assert swift.scalar("SELECT sum(refund_reserved) FROM paykit_payment") == 0
    with pytest.raises(PspRejected) as refusal:
        call()
    assert refusal.value.code == "resolved_by_person"
    assert _operator(swift, "cases").items == ()
    assert swift.work().done["resume"] == {}


def test_a_decision_stands_in_the_history(desk: Shop) -> None:
    operation, _ = _open_case(desk, "capture")
    desk.world.advance(TOO_LATE)
    _decide(desk, operation, NotExecuted())
    (told,) = _history(desk, operation, "operation.case_resolved")
    assert {name: told[name] for name in SAYS} == SAYS
    assert told["verdict"] == "not_executed"
    assert told["shown"][0]["shown"]["object"]["status"] == "authorized"
    assert desk.capture_payment(_payment(desk, operation)).paid, "it can be taken now"


@each
def test_it_is_too_early_while_something_may_be_sent(swift: Shop, name: str) -> None:
    operation, _ = _open_case(swift, name)
    swift.world.advance(TOO_LATE - timedelta(milliseconds=1))
    with pytest.raises(NotAllowed, match="may still be sent"):
        _decide(swift, operation, NotExecuted())
    assert _operator(swift, "case", operation).status == "case"


@each
def test_nobody_gives_up_what_the_psp_shows(swift: Shop, name: str) -> None:
    operation, call = _open_case(swift, name, Fault.LOSE_ANSWER)
    swift.world.advance(TOO_LATE)
    with pytest.raises(NotAllowed, match="was executed"):
        _decide(swift, operation, NotExecuted())
    assert _operator(swift, "look_again", operation, actor="kim").status == "open"
    swift.watch.sent.clear()
    assert swift.work().done["resume"] == {"done": 1}
    assert METHODS[name][0] not in swift.watch.verbs()
    call()


def test_nobody_gives_up_what_an_event_has_proved(swift: Shop) -> None:
    operation, _ = _open_case(swift, "refund")
    swift.execute("UPDATE paykit_attempt SET proved_by = 'evt' WHERE outcome IS NULL")
    swift.world.advance(TOO_LATE)
    with pytest.raises(NotAllowed, match="evt proves"):
        _decide(swift, operation, NotExecuted())


def test_an_answer_that_tells_nothing_keeps_no_case_from_its_end(swift: Shop) -> None:
    """Our key was used for something else: that is no answer to what we asked."""
    payment, other = swift.authorized(), swift.authorized()
    ours, theirs = swift.reference(payment), swift.reference(other)

    def use_the_key(call: Call) -> None:
        swift.watch.before = None
        parameters = call.parameters.replace(ours, theirs)
        swift.wait(swift.psp.send(replace(call, parameters=parameters)))

    swift.watch.before = use_the_key
    with pytest.raises(OutcomeUnknown) as unknown:
        swift.capture_payment(payment)
    swift.world.advance(TOO_LATE)
    view = _decide(swift, unknown.value.operation_id, NotExecuted())
    (heard,) = view.attempts[0].heard
    assert heard.said["code"] == "idempotency_error"
    assert view.status == "failed"
    assert swift.claims() == {}


def test_a_proof_that_comes_with_the_last_look_leaves_no_case(
    postgres: PostgresServer, postgres_template: str
) -> None:
    """On PostgreSQL, where the event is applied while the worker gives up."""
    database = postgres.take(template=postgres_template)
    twice = replace(ONCE, schedule=PATIENCE.schedule[:1])
    shop = open_shop(database, "threads", policy=twice)
    payment = shop.paid()
    shop.settle()
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="create_refund")
    shop.sim.faults.add(LOST, verb="create_refund", times=None)
    shop.sim.faults.add(LOST, verb="find_refund", times=None)
    with pytest.raises(OutcomeUnknown):
        shop.refund_payment(payment)
    shop.world.advance(PATIENCE.schedule[0])
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    (told,) = [one for one in shop.sim.events() if one.type == "refund.created"]
    event = shop.psp.read_event(shop.sim.webhook(told)[0])
    looking, proved = Event(), Event()

    def pause(call: Call) -> None:
        if call.verb == "create_refund":
            looking.set()
            assert proved.wait(60)

    shop.watch.before = pause
    with ThreadPoolExecutor(1) as other:
        worker = other.submit(shop.work)
        assert looking.wait(60)

        def prove(tx: Any) -> None:
            binding, ours = "simulated:default:test", {"owner": "default"}
            apply_event(tx, binding, event, {}, serves=bool, cause="webhook", **ours)
            tx.flush()
            proved.set()
            while not shop.scalar(waiting) and not worker.done():
                pass

        shop.wait(shop.service.driver.commit(prove))
        assert worker.result(60).done["resume"] == {"done": 1}
    assert _operator(shop, "cases").items == ()
    postgres.drop(database)


def test_nobody_gives_up_while_the_psp_does_not_answer(swift: Shop) -> None:
    operation, _ = _open_case(swift, "cancel", Fault.LOSE_ANSWER)
    swift.world.advance(TOO_LATE)
    swift.sim.faults.add(LOST, times=None)
    with pytest.raises(PspUnavailable):
        _decide(swift, operation, NotExecuted())
    assert _operator(swift, "case", operation).status == "case"


def test_what_may_not_be_read_any_more_can_be_given_up(swift: Shop) -> None:
    """Or a case of an account that is closed could never end."""
    operation, _ = _open_case(swift, "cancel")
    swift.world.advance(TOO_LATE)
    swift.sim.faults.add(Fault.UNAUTHORIZED, times=None)
    assert _decide(swift, operation, NotExecuted()).status == "failed"


# -- executed --------------------------------------------------------------------------


def _reference(shop: Shop, name: str, operation: str) -> str:
    """Return the PSP's object that shows what was done."""
    if name == "create":
        return list(shop.sim.effects().charges)[-1]
    if name == "refund":
        found: Any = shop.sim.call(
            "find_refund", payment_intent=shop.reference(_payment(shop, operation))
        )
        return str(found["data"][0]["id"])
    return shop.reference(_payment(shop, operation))


@each
def test_executed_is_read_and_recorded(swift: Shop, name: str) -> None:
    operation, call = _open_case(swift, name, Fault.LOSE_ANSWER)
    reference = _reference(swift, name, operation)
    swift.watch.sent.clear()
    view = _decide(swift, operation, Executed(reference))
    assert view.status == "done"
    assert swift.watch.writes() == []
    assert swift.claims() == {}
    (told,) = _history(swift, operation, "operation.case_resolved")
    assert (told["verdict"], told["psp_reference"]) == ("executed", reference)
    call()
    assert swift.watch.writes() == []


def test_a_decision_posts_what_the_psp_shows(desk: Shop) -> None:
    operation, _ = _open_case(desk, "refund", Fault.LOSE_ANSWER)
    reference = _reference(desk, "refund", operation)
    _decide(desk, operation, Executed(reference))
    assert desk.balances()["refunds:eur"] == 1000
    (refund,) = desk.refunds(_payment(desk, operation))
    assert (refund.state, refund.psp_reference) == (RefundState.SUCCEEDED, reference)


@each
def test_a_word_alone_moves_nothing(swift: Shop, name: str) -> None:
    operation, _ = _open_case(swift, name)
    before = swift.balances()
    references = {
        "create": swift.create_payment().psp_reference,
        "refund": "re_unknown",
    }
    known = references.get(name) or swift.reference(_payment(swift, operation))
    with pytest.raises(NotAllowed):
        _decide(swift, operation, Executed(known))
    assert _operator(swift, "case", operation).status == "case"
    assert swift.balances() == before


def test_another_refund_of_the_payment_is_not_ours(swift: Shop) -> None:
    payment = swift.paid()
    other = swift.refund_payment(payment, amount=Money(400, "eur")).psp_reference
    swift.sim.faults.add(LOST, times=2)
    with pytest.raises(OutcomeUnknown) as unknown:
        swift.refund_payment(payment, amount=Money(400, "eur"))
    with pytest.raises(NotAllowed, match="metadata"):
        _decide(swift, unknown.value.operation_id, Executed(str(other)))


def test_another_payment_shows_nothing(swift: Shop) -> None:
    operation, _ = _open_case(swift, "capture")
    other = swift.reference(swift.paid())
    with pytest.raises(NotAllowed, match="not about"):
        _decide(swift, operation, Executed(other))


def test_what_cannot_be_read_is_not_recorded(swift: Shop) -> None:
    operation, _ = _open_case(swift, "create", Fault.LOSE_ANSWER)
    reference = _reference(swift, "create", operation)
    swift.sim.faults.add(LOST, verb="read_payment", times=None)
    with pytest.raises(PspUnavailable):
        _decide(swift, operation, Executed(reference))


# -- once, by whoever comes first ------------------------------------------------------


def test_a_decision_repeated_changes_nothing(swift: Shop) -> None:
    operation, _ = _open_case(swift, "capture")
    swift.world.advance(TOO_LATE)
    first = _decide(swift, operation, NotExecuted())
    assert _decide(swift, operation, NotExecuted(), actor="lee") == first
    assert len(_history(swift, operation, "operation.case_resolved")) == 1
    with pytest.raises(NotAllowed):
        _decide(swift, operation, Executed(swift.reference(_payment(swift, operation))))


def test_of_two_decisions_one_counts(desk: Shop) -> None:
    operation, _ = _open_case(desk, "capture")
    desk.world.advance(TOO_LATE)
    resolve = desk.service.operator.resolve_case
    meanwhile = desk.meanwhile(
        lambda: resolve(operation, verdict=NotExecuted(), **{**SAYS, "actor": "lee"})
    )
    _decide(desk, operation, NotExecuted())
    assert not isinstance(meanwhile[0], PaykitError)
    (told,) = _history(desk, operation, "operation.case_resolved")
    assert told["actor"] == "lee"


def test_of_two_decisions_at_the_same_moment_one_counts(installed: Database) -> None:
    """Both have read; which of them finds the case, the database decides."""
    shop = open_shop(installed, "threads", policy=ONCE)
    operation, _ = _open_case(shop, "capture")
    shop.world.advance(TOO_LATE)
    both = Barrier(2, timeout=60)
    shop.watch.before = lambda _: both.wait()
    with ThreadPoolExecutor(2) as pool:
        ends = [
            pool.submit(_decide, shop, operation, NotExecuted(), actor=actor)
            for actor in ("kim", "lee")
        ]
        assert {end.result().status for end in ends} == {"failed"}
    assert len(_history(shop, operation, "operation.case_resolved")) == 1
    assert shop.claims() == {}


def test_who_looks_again_and_who_decides_do_not_both_win(desk: Shop) -> None:
    operation, _ = _open_case(desk, "capture")
    desk.world.advance(TOO_LATE)
    look = desk.service.operator.look_again
    desk.meanwhile(lambda: look(operation, actor="lee"))
    _decide(desk, operation, NotExecuted())
    assert desk.work().done["resume"] == {}
    assert _operator(desk, "case", operation).status == "failed"
    (told,) = _history(desk, operation, "operation.case_resolved")
    assert (told["actor"], told["verdict"]) == ("kim", "not_executed")


def test_looking_again_starts_the_schedule_anew(quick: Shop) -> None:
    quick.sim.faults.add(LOST, times=None)
    with pytest.raises(OutcomeUnknown) as unknown:
        quick.create_payment()
    operation = unknown.value.operation_id
    for _ in range(2):
        for delay in PATIENCE.schedule:
            quick.wait_and_work(delay)
        assert _operator(quick, "case", operation).status == "case"
        assert _operator(quick, "look_again", operation, actor="kim").status == "open"
        # What the breaker holds back would be no look.
        quick.wait_and_work(BreakerPolicy().longest_pause)
        quick.watch.sent.clear()
    assert len(_history(quick, operation, "operation.case_reopened")) == 2
    quick.wait_and_work(PATIENCE.schedule[1])
    assert quick.watch.writes() == []
    assert quick.watch.verbs(), "it is only read"


def test_what_is_no_case_cannot_be_decided(swift: Shop) -> None:
    swift.create_payment(idempotency_key="k")
    operation = swift.scalar("SELECT id FROM paykit_operation")
    for verdict in (NotExecuted(), Executed("pi_1")):
        swift.world.advance(TOO_LATE)
        if isinstance(verdict, NotExecuted):
            with pytest.raises(NotAllowed):
                _decide(swift, operation, verdict)
    assert _operator(swift, "look_again", operation, actor="kim").status == "done"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"reason": "paid with 4242 4242 4242 4242"}, CardDataRefused),
        ({"evidence": "x" * 501}, InvalidRequest),
        ({"actor": ""}, InvalidRequest),
        ({"actor": "k" * 65}, InvalidRequest),
        ({"reason": "\0"}, InvalidRequest),
        ({"verdict": "executed"}, InvalidRequest),
        ({"verdict": Executed("pi 1/../..")}, InvalidRequest),
    ],
)
def test_bad_input_decides_nothing(
    swift: Shop, fields: dict[str, Any], error: type[PaykitError]
) -> None:
    operation, _ = _open_case(swift, "capture")
    swift.world.advance(TOO_LATE)
    before = swift.counts()
    verdict = fields.get("verdict", NotExecuted())
    said = {name: text for name, text in fields.items() if name != "verdict"}
    with pytest.raises(error):
        _decide(swift, operation, verdict, **said)
    assert swift.counts() == before


# -- and if it was executed after all --------------------------------------------------


def _late(shop: Shop, name: str) -> None:
    """Let the request that was thought lost reach the PSP after all, and tell of it."""
    verb = METHODS[name][0]
    call = next(one for one in shop.watch.sent if one.verb == verb)
    shop.wait(shop.psp.send(call))
    shop.settle(within=timedelta(hours=2))


@pytest.mark.parametrize("name", ["create", "confirm", "capture", "part", "refund"])
def test_what_was_given_up_and_happened_is_booked_and_shown(
    swift: Shop, name: str
) -> None:
    verb, _, _ = METHODS[name]
    call = METHODS[name][2](swift)
    swift.watch.sent.clear()
    swift.sim.faults.add(LOST, verb=verb)
    swift.sim.faults.add(LOST, verb=METHODS[name][1])
    with pytest.raises(OutcomeUnknown) as unknown:
        call()
    swift.sim.faults.clear()
    swift.world.advance(TOO_LATE)
    _decide(swift, unknown.value.operation_id, NotExecuted())
    _late(swift, name)
    assert "executed_after_all" in swift.breaks()
    payment = swift.get(_payment(swift, unknown.value.operation_id))
    at_psp = swift.at_psp()
    assert payment.captured == at_psp["captured"]
    assert payment.refunded == at_psp["refunded"]
    assert -swift.balances().get("sales:eur", 0) == at_psp["captured"]
    assert swift.balances().get("refunds:eur", 0) == at_psp["refunded"]
    assert payment.psp_reference is not None


# -- on the way of a refresh -----------------------------------------------------------


def test_a_refresh_settles_what_is_in_doubt(shop: Shop) -> None:
    payment = shop.authorized()
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="capture_payment", times=3)
    shop.sim.faults.add(LOST, verb="read_payment")
    with pytest.raises(OutcomeUnknown):
        shop.capture_payment(payment, idempotency_key="k")
    shop.watch.sent.clear()
    assert shop.refresh(payment).paid
    assert shop.claims() == {}
    assert shop.watch.writes() == []
    assert shop.capture_payment(payment, idempotency_key="k").paid
    assert shop.watch.writes() == []


def test_a_refresh_ends_a_case(desk: Shop) -> None:
    operation, call = _open_case(desk, "refund", Fault.LOSE_ANSWER)
    payment = _payment(desk, operation)
    assert desk.refresh(payment).refunded == 1000
    assert _operator(desk, "case", operation).status == "done"
    assert call().state is RefundState.SUCCEEDED


def test_a_refresh_sends_nothing_and_leaves_the_schedule(quick: Shop) -> None:
    payment = quick.authorized()
    quick.settle()
    quick.sim.faults.add(LOST, verb="capture_payment", times=3)
    with pytest.raises(OutcomeUnknown):
        quick.capture_payment(payment)
    row = "SELECT * FROM paykit_work WHERE queue = 'operation'"
    before = quick.query(row)
    quick.watch.sent.clear()
    assert quick.refresh(payment).state is PaymentState.AUTHORIZED
    assert quick.watch.writes() == []
    assert quick.query(row) == before


def test_a_refresh_leaves_alone_what_somebody_works_on(shop: Shop) -> None:
    payment = shop.authorized()
    refresh = shop.service.refresh_payment
    meanwhile = shop.meanwhile(lambda: refresh(payment), executed=True)
    shop.watch.sent.clear()
    assert shop.capture_payment(payment).paid
    assert not isinstance(meanwhile[0], PaykitError)
    assert shop.watch.writes() == ["capture_payment"]
    assert shop.at_psp()["captured"] == 1000
    assert shop.claims() == {}


# -- what is pickled -------------------------------------------------------------------


def test_a_pickled_payment_carries_no_client_secret(swift: Shop) -> None:
    """A job queue would store it."""
    payment = swift.create_payment()
    assert payment.client_secret is not None
    stored = pickle.dumps(payment)
    assert payment.client_secret.get_secret_value().encode() not in stored
    again: PaymentView = pickle.loads(stored)
    assert again == payment.model_copy(update={"client_secret": None})
    assert payment.client_secret is not None


# -- the command ``paykit cases`` ------------------------------------------------------


def test_the_command_lists_shows_and_decides(
    swift: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_service", lambda _: swift.service)
    operation, _ = _open_case(swift, "capture")
    command = ["cases", "--factory", "shop:service"]
    assert cli.main(command) == cli.OK
    assert capsys.readouterr().out.startswith(f"{operation} payment.capture pay_")
    assert cli.main([*command, operation]) == cli.OK
    assert json.loads(capsys.readouterr().out)["status"] == "case"
    says = [part for name, text in SAYS.items() for part in (f"--{name}", text)]
    assert cli.main([*command, operation, "--not-executed", *says]) == cli.FAILED
    assert "may still be sent" in capsys.readouterr().err
    swift.world.advance(TOO_LATE)
    assert cli.main([*command, operation, "--not-executed"]) == cli.FAILED
    assert "actor" in capsys.readouterr().err
    assert cli.main([*command, operation, "--not-executed", *says]) == cli.OK
    assert json.loads(capsys.readouterr().out)["status"] == "failed"
    assert cli.main(command) == cli.OK
    assert capsys.readouterr().out == ""
