"""The simulated provider behind paykit's protocols, blocking and asyncio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, BrokenBarrierError

import pytest
from typing_extensions import override

from paykit.money import Money
from paykit.psp import (
    ActionRequired,
    Answer,
    AsyncPsp,
    BalanceTransaction,
    CancelPayment,
    CapturePayment,
    ChargeSnapshot,
    ConfirmPayment,
    Conflict,
    CreatePayment,
    CreateRefund,
    Declined,
    FindPayment,
    FindRefund,
    InFlight,
    ListBalanceTransactions,
    NotExecuted,
    NotSent,
    PaymentSnapshot,
    PaymentStatus,
    Pending,
    Psp,
    ReadPayment,
    ReadRefund,
    RefundSnapshot,
    RefundStatus,
    Rejected,
    Request,
    SignatureInvalid,
    Succeeded,
    Unknown,
)
from paykit.testing.simulated import (
    AsyncSimulatedPsp,
    Fault,
    SimulatedProvider,
    SimulatedPsp,
)
from tests.testing.simulated import ask, create
from tests.testing.worlds import StillWorld

PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


@pytest.fixture
def psp(sim: SimulatedProvider) -> SimulatedPsp:
    return SimulatedPsp(sim)


class Meeting(StillWorld):
    """A world that tells whether two requests ever ran at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.open = False
        self.met = False
        self._barrier = Barrier(2)

    @override
    def now(self) -> datetime:
        if self.open:
            try:
                self._barrier.wait(0.2)
                self.met = True
            except BrokenBarrierError:
                self.open = False  # nobody else came in: that is what a lock is for
        return super().now()


def usd(minor: int) -> Money:
    return Money(minor, "usd")


def seen(answer: Answer) -> PaymentSnapshot:
    """Return the payment that the answer shows."""
    assert isinstance(answer, Succeeded | ActionRequired | Pending | Declined)
    assert isinstance(answer.snapshot, PaymentSnapshot)
    return answer.snapshot


def test_both_faces_are_what_they_say(sim: SimulatedProvider) -> None:
    blocking: Psp = SimulatedPsp(sim)
    concurrent: AsyncPsp = AsyncSimulatedPsp(sim)
    assert isinstance(blocking, Psp)
    assert isinstance(concurrent, AsyncPsp)
    assert (blocking.provider, blocking.account, blocking.livemode) == (
        "simulated",
        "default",
        False,
    )


def test_equal_requests_are_prepared_as_equal_bytes(psp: SimulatedPsp) -> None:
    def request(metadata: dict[str, str]) -> CreatePayment:
        return CreatePayment(amount=usd(1), capture="manual", metadata=metadata)

    first = psp.prepare(request({"a": "1", "b": "2"}), "k")
    second = psp.prepare(request({"b": "2", "a": "1"}), "k")
    assert first == second
    assert json.loads(first.parameters)["params"]["amount"] == 1


def test_a_payment_goes_from_creation_to_refund(
    psp: SimulatedPsp, sim: SimulatedProvider
) -> None:
    created = ask(
        psp,
        CreatePayment(
            amount=usd(1000),
            capture="manual",
            metadata={"op": "1"},
            payment_method="pm_card_visa",
            description="two books",
        ),
        "k1",
    )
    payment = seen(created).reference
    assert seen(created).status is PaymentStatus.REQUIRES_CONFIRMATION
    held = seen(ask(psp, ConfirmPayment(payment=payment), "k2"))
    assert (held.status, held.capturable) == (PaymentStatus.AUTHORIZED, 1000)
    assert held.charge is not None
    assert held.charge.capture_before is not None
    taken = seen(ask(psp, CapturePayment(payment=payment, amount=usd(700)), "k3"))
    assert (taken.status, taken.captured) == (PaymentStatus.SUCCEEDED, 700)
    assert taken.charge is not None
    assert (taken.charge.captured, taken.charge.refunded) == (700, 0)
    refund = ask(psp, CreateRefund(payment=payment, amount=usd(200)), "k4")
    assert isinstance(refund, Succeeded)
    assert isinstance(refund.snapshot, RefundSnapshot)
    assert refund.snapshot.status is RefundStatus.SUCCEEDED
    charge = seen(ask(psp, ReadPayment(payment=payment))).charge
    assert charge is not None
    assert charge.refunded == 200
    assert sim.effects({"op": "1"}).refunded == {payment: 200}


def test_a_canceled_hold_was_not_refunded(psp: SimulatedPsp) -> None:
    request = CreatePayment(
        amount=usd(500), capture="manual", payment_method="pm_card_visa"
    )
    payment = seen(ask(psp, request, "k1")).reference
    ask(psp, ConfirmPayment(payment=payment), "k2")
    ended = seen(ask(psp, CancelPayment(payment=payment), "k3"))
    assert ended.status is PaymentStatus.CANCELED
    assert ended.charge is not None
    assert (ended.charge.captured, ended.charge.refunded) == (0, 0)


@pytest.mark.parametrize("reason", ["automatic", "expired"])
def test_a_hold_that_ran_out_is_told_from_a_cancellation(
    psp: SimulatedPsp, sim: SimulatedProvider, reason: str
) -> None:
    request = CreatePayment(
        amount=usd(500), capture="manual", payment_method="pm_card_visa"
    )
    payment = seen(ask(psp, request, "k1")).reference
    ask(psp, ConfirmPayment(payment=payment), "k2")
    sim.expire_authorization(payment, reason=reason)
    expired = seen(ask(psp, ReadPayment(payment=payment)))
    assert (expired.status, expired.raw_status) == (PaymentStatus.EXPIRED, "canceled")


def test_a_decline_shows_why_and_what_the_payment_is_now(psp: SimulatedPsp) -> None:
    payment = create(psp, "pm_card_visa_chargeDeclinedInsufficientFunds")
    answer = ask(psp, ConfirmPayment(payment=payment), "k")
    assert isinstance(answer, Declined)
    assert answer.decline.decline_code == "insufficient_funds"
    assert answer.decline.advice_code == "try_again_later"
    assert answer.decline.charge == seen(answer).charge_reference is not None
    assert seen(answer).status is PaymentStatus.REQUIRES_PAYMENT_METHOD
    assert seen(answer).decline == answer.decline
    charge = seen(ask(psp, ReadPayment(payment=payment))).charge
    assert charge is not None
    assert charge.decline == answer.decline


@pytest.mark.parametrize(
    ("url", "kind"), [(None, "use_sdk"), ("https://shop.test/", "redirect")]
)
def test_the_payer_is_asked_to_act(
    psp: SimulatedPsp, sim: SimulatedProvider, url: str | None, kind: str
) -> None:
    payment = create(psp, "pm_card_threeDSecure2Required")
    answer = ask(psp, ConfirmPayment(payment=payment, return_url=url), "k")
    assert isinstance(answer, ActionRequired)
    assert answer.snapshot.next_action is not None
    assert answer.snapshot.next_action.kind == kind
    assert (answer.snapshot.next_action.url is None) == (url is None)
    waiting = ask(psp, ReadPayment(payment=payment))
    assert isinstance(waiting, Succeeded)
    sim.complete_authentication(payment)
    assert seen(ask(psp, ReadPayment(payment=payment))).captured == 1000


def test_a_slow_payment_and_a_slow_refund_are_pending(
    psp: SimulatedPsp, sim: SimulatedProvider
) -> None:
    debit = create(psp, "pm_usBankAccount_success")
    assert isinstance(ask(psp, ConfirmPayment(payment=debit), "k1"), Pending)
    payment = create(psp, "pm_card_pendingRefund")
    ask(psp, ConfirmPayment(payment=payment), "k2")
    answer = ask(psp, CreateRefund(payment=payment, amount=usd(5)), "k3")
    assert isinstance(answer, Pending)
    sim.settle_refunds()
    settled = ask(psp, ReadRefund(refund=answer.snapshot.reference))
    assert isinstance(settled, Succeeded)
    assert isinstance(settled.snapshot, RefundSnapshot)
    assert settled.snapshot.status is RefundStatus.SUCCEEDED


def test_another_state_than_assumed_is_a_conflict(psp: SimulatedPsp) -> None:
    payment = create(psp)
    ask(psp, ConfirmPayment(payment=payment), "k1")
    requests: dict[str, Request] = {
        "k2": ConfirmPayment(payment=payment),
        "k3": CancelPayment(payment=payment),
        "k4": CapturePayment(payment=payment, amount=usd(1)),
    }
    for key, request in requests.items():
        assert isinstance(ask(psp, request, key), Conflict)
    ask(psp, CreateRefund(payment=payment, amount=usd(1000)), "k5")
    answer = ask(psp, CreateRefund(payment=payment, amount=usd(1)), "k6")
    assert isinstance(answer, Conflict)
    assert answer.code == "charge_already_refunded"


def test_an_invalid_request_is_rejected(psp: SimulatedPsp) -> None:
    answer = ask(psp, ReadPayment(payment="pi_nobody"))
    assert isinstance(answer, Rejected)
    assert answer.code == "resource_missing"


def test_a_key_for_another_request_is_rejected_by_its_code(psp: SimulatedPsp) -> None:
    payment = create(psp)
    ask(psp, ConfirmPayment(payment=payment), "k")
    answer = ask(
        psp, ConfirmPayment(payment=payment, payment_method="pm_card_amex"), "k"
    )
    assert isinstance(answer, Rejected)
    assert answer.code == "idempotency_error"


@pytest.mark.parametrize(
    ("fault", "kind", "charges"),
    [
        (Fault.LOSE_REQUEST_UNSENT, NotSent, 0),
        (Fault.LOSE_REQUEST, Unknown, 0),
        (Fault.ERROR_BEFORE, Unknown, 0),
        (Fault.RATE_LIMIT, NotExecuted, 0),
        (Fault.LOCK_TIMEOUT, NotExecuted, 0),
        (Fault.KEY_IN_USE, InFlight, 0),
        (Fault.LOSE_ANSWER, Unknown, 1),
        (Fault.HANG, Unknown, 1),
        (Fault.TRUNCATED, Unknown, 1),
        (Fault.ERROR_AFTER, Unknown, 1),
        (Fault.DELAY, Succeeded, 1),
    ],
)
def test_every_fault_is_heard_as_what_it_is(
    psp: SimulatedPsp,
    sim: SimulatedProvider,
    fault: Fault,
    kind: type[Answer],
    charges: int,
) -> None:
    payment = create(psp)
    sim.faults.add(fault, verb="confirm_payment")
    assert isinstance(ask(psp, ConfirmPayment(payment=payment), "k"), kind)
    assert sim.effects().charges == {payment: charges}
    ask(psp, ConfirmPayment(payment=payment), "k")
    assert sim.effects().charges == {payment: 1}


def test_a_replayed_answer_says_so(psp: SimulatedPsp, sim: SimulatedProvider) -> None:
    payment = create(psp)
    sim.faults.add(Fault.LOSE_ANSWER, verb="confirm_payment")
    assert isinstance(ask(psp, ConfirmPayment(payment=payment), "k"), Unknown)
    answer = ask(psp, ConfirmPayment(payment=payment), "k")
    assert isinstance(answer, Succeeded)
    assert answer.replayed
    assert sim.effects().charges == {payment: 1}


def test_a_payment_is_found_by_its_metadata_on_any_page(
    psp: SimulatedPsp, sim: SimulatedProvider
) -> None:
    wanted = create(psp, op="wanted", paykit="1")
    for number in range(105):
        sim.call("create_payment", amount=99, currency="usd", metadata={"op": number})
    answer = ask(psp, FindPayment(metadata={"op": "wanted"}, since=PAST))
    assert seen(answer).reference == wanted
    nothing = ask(psp, FindPayment(metadata={"op": "wanted", "x": "y"}, since=PAST))
    assert nothing == Succeeded(snapshot=None, request_id=nothing.request_id)


def test_a_search_starts_at_its_second(psp: SimulatedPsp, world: StillWorld) -> None:
    wanted = create(psp, op="1")
    request = FindPayment(
        metadata={"op": "1"}, since=world.time + timedelta(microseconds=999_999)
    )
    assert seen(ask(psp, request)).reference == wanted
    later = FindPayment(metadata={"op": "1"}, since=world.time + timedelta(seconds=1))
    answer = ask(psp, later)
    assert isinstance(answer, Succeeded)
    assert answer.snapshot is None


def test_a_lost_search_is_not_a_negative_answer(
    psp: SimulatedPsp, sim: SimulatedProvider
) -> None:
    sim.faults.add(Fault.LOSE_ANSWER, verb="find_payment")
    answer = ask(psp, FindPayment(metadata={"op": "1"}, since=PAST))
    assert isinstance(answer, Unknown)


def test_a_refund_is_found_among_those_of_its_payment(psp: SimulatedPsp) -> None:
    payment = create(psp)
    ask(psp, ConfirmPayment(payment=payment), "k1")
    request = CreateRefund(payment=payment, amount=usd(10), metadata={"row": "r1"})
    ask(psp, request, "k2")
    answer = ask(psp, FindRefund(payment=payment, metadata={"row": "r1"}))
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, RefundSnapshot)
    assert answer.snapshot.metadata == {"row": "r1"}


def test_balance_transactions_show_fees_and_categories(psp: SimulatedPsp) -> None:
    payment = create(psp)
    charge = seen(ask(psp, ConfirmPayment(payment=payment), "k")).charge_reference
    answer = ask(psp, ListBalanceTransactions(source=str(charge)))
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, tuple)
    (movement,) = answer.snapshot
    assert isinstance(movement, BalanceTransaction)
    assert (movement.category, movement.amount, movement.fee, movement.source) == (
        "charge",
        1000,
        59,
        charge,
    )


def test_two_accounts_do_not_see_each_other(sim: SimulatedProvider) -> None:
    mine, other = SimulatedPsp(sim, "acct_a"), SimulatedPsp(sim, "acct_b")
    payment = create(mine)
    assert isinstance(ask(other, ReadPayment(payment=payment)), Rejected)
    bodies = sim.take_webhooks()
    assert [mine.read_event(body).account for body in bodies] == ["acct_a"]


def test_webhooks_verify_and_tell_what_happened(
    psp: SimulatedPsp, sim: SimulatedProvider, world: StillWorld
) -> None:
    payment = create(psp)
    ask(psp, ConfirmPayment(payment=payment), "the-key")
    webhooks = sim.pending_webhooks()
    assert sim.pending_webhooks() == []
    subjects = []
    for body, headers in webhooks:
        psp.verify(body, headers, world.now())
        event = psp.read_event(body)
        envelope = psp.read_envelope(body)
        assert (envelope.event_id, envelope.event_type) == (event.id, event.type)
        assert event.current
        subjects.append((event.type, event.subject, event.idempotency_key))
    assert [(type_, key) for type_, _, key in subjects[1:]] == [
        ("charge.succeeded", "the-key"),
        ("payment_intent.succeeded", "the-key"),
    ]
    assert isinstance(subjects[1][1], ChargeSnapshot)
    assert subjects[1][1].payment == payment
    assert isinstance(subjects[2][1], PaymentSnapshot)
    assert subjects[2][1].client_secret is None


def test_a_webhook_that_is_sent_again_is_signed_again(
    psp: SimulatedPsp, sim: SimulatedProvider, world: StillWorld
) -> None:
    create(psp)
    (event,) = sim.events()
    first = sim.webhook(event)
    world.time += timedelta(hours=1)
    second = sim.webhook(event)
    assert first[0] == second[0]
    psp.verify(*second, world.now())
    with pytest.raises(SignatureInvalid):
        psp.verify(*first, world.now())


def _spoil_header(value: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {**headers, "stripe-signature": value}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {},
        _spoil_header(""),
        _spoil_header("t=,v1="),
        _spoil_header("t=1893456000,v1=é"),
        _spoil_header("t=1893456000,v0=abc"),
        _spoil_header("t=٣,v1=abc"),
        _spoil_header("t=99999999999999999999,v1=abc"),
        lambda headers: {
            "stripe-signature": headers["stripe-signature"].replace("v1=", "v1=0")
        },
    ],
)
def test_a_forged_signature_is_refused(
    psp: SimulatedPsp,
    sim: SimulatedProvider,
    world: StillWorld,
    spoil: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    create(psp)
    ((body, headers),) = sim.pending_webhooks()
    with pytest.raises(SignatureInvalid):
        psp.verify(body, spoil(headers), world.now())


def test_a_changed_body_or_another_secret_is_refused(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    psp, other = SimulatedPsp(sim), SimulatedPsp(sim, webhook_secret="whsec_other")
    create(psp)
    ((body, headers),) = sim.pending_webhooks()
    with pytest.raises(SignatureInvalid):
        psp.verify(body + b" ", headers, world.now())
    with pytest.raises(SignatureInvalid):
        other.verify(body, headers, world.now())
    other.verify(body, other.sign(body, world.now()), world.now())


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_from_another_time_is_refused(
    psp: SimulatedPsp, sim: SimulatedProvider, world: StillWorld, seconds: int
) -> None:
    create(psp)
    ((body, headers),) = sim.pending_webhooks()
    with pytest.raises(SignatureInvalid):
        psp.verify(body, headers, world.now() + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"id": 1}', b"[" * 100_000]
)
def test_an_unreadable_webhook_is_refused(psp: SimulatedPsp, body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        psp.read_envelope(body)
    with pytest.raises(ValueError, match=r".*"):
        psp.read_event(body)


def test_the_client_secret_is_not_shown(psp: SimulatedPsp) -> None:
    snapshot = seen(ask(psp, ReadPayment(payment=create(psp))))
    assert snapshot.client_secret is not None
    assert snapshot.client_secret not in repr(snapshot)


def test_the_asyncio_face_hears_the_same(sim: SimulatedProvider) -> None:
    psp = AsyncSimulatedPsp(sim)

    async def story() -> Answer:
        request = CreatePayment(
            amount=usd(1000), capture="automatic", payment_method="pm_card_visa"
        )
        created = await psp.send(psp.prepare(request, "k1"))
        confirm = ConfirmPayment(payment=seen(created).reference)
        return await psp.send(psp.prepare(confirm, "k2"))

    assert seen(asyncio.run(story())).status is PaymentStatus.SUCCEEDED


def test_two_tasks_with_one_key_act_once(sim: SimulatedProvider) -> None:
    payment = create(SimulatedPsp(sim))
    psp = AsyncSimulatedPsp(sim)
    call = psp.prepare(ConfirmPayment(payment=payment), "k")
    sim.faults.add(Fault.DELAY, seconds=0.01)

    async def story() -> list[Answer]:
        return list(await asyncio.gather(psp.send(call), psp.send(call)))

    first, second = asyncio.run(story())
    assert isinstance(first, Succeeded)
    assert isinstance(second, InFlight)
    assert sim.effects().charges == {payment: 1}


def test_a_canceled_task_does_not_stop_the_provider(sim: SimulatedProvider) -> None:
    payment = create(SimulatedPsp(sim))
    psp = AsyncSimulatedPsp(sim)
    call = psp.prepare(ConfirmPayment(payment=payment), "k")
    sim.faults.add(Fault.DELAY, seconds=60)

    async def story() -> Answer:
        task = asyncio.create_task(psp.send(call))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await psp.send(call)

    answer = asyncio.run(story())
    assert isinstance(answer, Succeeded)
    assert answer.replayed
    assert sim.effects().charges == {payment: 1}


def test_the_blocking_face_waits_out_a_delay(sim: SimulatedProvider) -> None:
    slept: list[float] = []
    psp = SimulatedPsp(sim, sleep=slept.append)
    payment = create(psp)
    sim.faults.add(Fault.DELAY, seconds=2.5)
    assert isinstance(ask(psp, ConfirmPayment(payment=payment), "k"), Succeeded)
    assert slept == [2.5]


def test_many_threads_with_one_key_act_once(
    psp: SimulatedPsp, sim: SimulatedProvider
) -> None:
    payment = create(psp)
    call = psp.prepare(ConfirmPayment(payment=payment), "k")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(psp.send, [call] * 40))
    assert all(isinstance(answer, Succeeded | InFlight) for answer in answers)
    assert (
        sum(not answer.replayed for answer in answers if isinstance(answer, Succeeded))
        == 1
    )
    assert sim.effects().charges == {payment: 1}


def test_many_threads_never_refund_above_the_capture(
    psp: SimulatedPsp, sim: SimulatedProvider
) -> None:
    payment = create(psp)
    ask(psp, ConfirmPayment(payment=payment), "k")
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda n: ask(
                    psp, CreateRefund(payment=payment, amount=usd(300)), f"refund-{n}"
                ),
                range(20),
            )
        )
    assert sim.effects().refunded == {payment: 900}


def test_two_requests_never_run_at_the_same_time() -> None:
    world = Meeting()
    sim = SimulatedProvider(world)
    psp = SimulatedPsp(sim)
    payment = create(psp)
    ask(psp, ConfirmPayment(payment=payment), "k")
    refund = CreateRefund(payment=payment, amount=usd(600))
    world.open = True
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda key: ask(psp, refund, key), ["r1", "r2"]))
    assert not world.met
    assert sim.effects().refunded == {payment: 600}
