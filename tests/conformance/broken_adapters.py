"""
The conformance suite on adapters that each break one promise.

Not collected by itself: `test_planted_faults.py` runs it and looks at what fails.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import pytest
from typing_extensions import override

from paykit.psp import (
    ActionRequired,
    Answer,
    Call,
    Capabilities,
    Conflict,
    CreatePayment,
    Decline,
    Declined,
    EventPage,
    InvoiceSnapshot,
    Misconfigured,
    NotExecuted,
    NotSent,
    PaymentSnapshot,
    PaymentStatus,
    PayoutSnapshot,
    Pending,
    Psp,
    PspEvent,
    RefundSnapshot,
    Rejected,
    Request,
    SignatureInvalid,
    SubscriptionSnapshot,
    Succeeded,
    Unknown,
    WebhookEnvelope,
)
from paykit.testing.conformance import SignedWebhook
from paykit.testing.simulated import Fault, SimulatedProvider, SimulatedPsp
from tests.conformance import adapters

__all__ = ["PLANTED", "TestBroken"]


class _Broken(SimulatedPsp):
    """An adapter with a fault; a number that is never the same twice helps it."""

    def __init__(self, sim: SimulatedProvider) -> None:
        super().__init__(sim)
        self.numbers = count(1)


# -- what is prepared ------------------------------------------------------------------


class InventsKeys(_Broken):
    """Sends a write without a key under a random one, as an SDK may do."""

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        return super().prepare(request, idempotency_key or self._invented())

    @override
    def send(self, call: Call, /) -> Answer:
        key = call.idempotency_key or self._invented()
        return super().send(replace(call, idempotency_key=key))

    def _invented(self) -> str:
        return f"invented-{next(self.numbers)}"


class GivesReadsAKey(_Broken):
    """Marks a call that only looks as one that may act."""

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        call = super().prepare(request, idempotency_key)
        return replace(call, idempotency_key=call.idempotency_key or "a-key")


class MisnamesCalls(_Broken):
    """Has verbs of its own."""

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        call = super().prepare(request, idempotency_key)
        return replace(call, verb=f"acme/{call.verb}")

    @override
    def send(self, call: Call, /) -> Answer:
        return super().send(replace(call, verb=call.verb.removeprefix("acme/")))


class StampsCalls(_Broken):
    """Is not pure: writes a running number into every call."""

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        call = super().prepare(request, idempotency_key)
        stamped = {**json.loads(call.parameters), "stamp": next(self.numbers)}
        return replace(call, parameters=json.dumps(stamped))


class WritesMetadataAsItComes(_Broken):
    """Is pure, but equal dictionaries come out in their own order."""

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        call = super().prepare(request, idempotency_key)
        order = json.dumps(getattr(request, "metadata", None))
        return replace(call, parameters=f'{call.parameters[:-1]}, "order": {order}}}')


class TakesItsRequestApart(_Broken):
    """Changes the request that it was given."""

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        call = super().prepare(request, idempotency_key)
        if isinstance(request, CreatePayment):
            request.metadata["prepared"] = "yes"
        return call


class KeepsCallsInMemory(_Broken):
    """Stores a number and keeps the parameters to itself."""

    def __init__(self, sim: SimulatedProvider) -> None:
        super().__init__(sim)
        self._texts: list[str] = []

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        call = super().prepare(request, idempotency_key)
        if call.parameters not in self._texts:
            self._texts.append(call.parameters)
        return replace(call, parameters=str(self._texts.index(call.parameters)))

    @override
    def send(self, call: Call, /) -> Answer:
        return super().send(replace(call, parameters=self._texts[int(call.parameters)]))


class SaltsCalls(_Broken):
    """Is pure in one process, and writes in every process something else."""

    def __init__(self, sim: SimulatedProvider) -> None:
        super().__init__(sim)
        self._salt = id(self)

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        call = super().prepare(request, idempotency_key)
        salted = {**json.loads(call.parameters), "salt": self._salt}
        return replace(call, parameters=json.dumps(salted))


class ChangesItsName(_Broken):
    """Names itself anew every time, so that nothing is found again."""

    @property
    @override
    def provider(self) -> str:
        return f"provider-{next(self.numbers)}"


class ForgetsKeysSoon(_Broken):
    """Its provider remembers keys for a minute."""

    @property
    @override
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, key_retention=timedelta(minutes=1))


# -- what is sent ----------------------------------------------------------------------


class ActsTwice(_Broken):
    """Sends every repetition under a key of its own."""

    @override
    def send(self, call: Call, /) -> Answer:
        key = call.idempotency_key
        fresh = None if key is None else f"{key}-{next(self.numbers)}"
        return super().send(replace(call, idempotency_key=fresh))


Changes = Mapping[str, Mapping[str, object]]


def _sending(changes: Changes) -> Callable[[SimulatedProvider], SimulatedPsp]:
    """Return an adapter that sends other parameters, by verb; None leaves one out."""

    class Missends(_Broken):
        @override
        def send(self, call: Call, /) -> Answer:
            asked = json.loads(call.parameters)
            params = {**asked["params"], **changes.get(call.verb, {})}
            asked["params"] = {k: v for k, v in params.items() if v is not None}
            return super().send(replace(call, parameters=json.dumps(asked)))

    return Missends


MISSENT: Final[Mapping[str, Changes]] = {
    "captures everything": {"capture_payment": {"amount_to_capture": None}},
    "captures at once": {"create_payment": {"capture_method": "automatic"}},
    "refunds what is left": {"create_refund": {"amount": None}},
    "charges at once": {
        "create_payment": {"confirm": True, "payment_method": "pm_card_visa"}
    },
    "forgets metadata": {
        "create_payment": {"metadata": None},
        "create_refund": {"metadata": None},
        "update_payment": {"metadata": None},
    },
    "drops final": {"capture_payment": {"final_capture": None}},
    "forgets the new amount": {"update_payment": {"amount": None}},
    "asks for more than it was told": {
        "create_payment": {
            "payment_method_options": {
                "card": {
                    "request_multicapture": "if_available",
                    "request_incremental_authorization": "if_available",
                }
            }
        }
    },
}


def _counting(
    counted: Callable[[int, str], int],
) -> Callable[[SimulatedProvider], SimulatedPsp]:
    """Return an adapter that sends another amount of a currency."""

    class Miscounts(_Broken):
        @override
        def send(self, call: Call, /) -> Answer:
            asked = json.loads(call.parameters)
            if call.verb == "create_payment":
                params = asked["params"]
                params["amount"] = counted(params["amount"], params["currency"])
            return super().send(replace(call, parameters=json.dumps(asked)))

    return Miscounts


def goes_through_a_float(minor: int, _: str) -> int:
    return int(minor / 100 * 100)


def counts_yen_in_hundredths(minor: int, currency: str) -> int:
    return minor // 100 if currency == "jpy" else minor


MISCOUNTED: Final = (goes_through_a_float, counts_yen_in_hundredths)


class RaisesByTheDifference(_Broken):
    """Takes the new total of an authorization for what is added to it."""

    @override
    def send(self, call: Call, /) -> Answer:
        if call.verb != "increment_authorization":
            return super().send(call)
        asked = json.loads(call.parameters)
        asked["params"]["amount"] -= self.sim.intent(asked["target"]).amount
        return super().send(replace(call, parameters=json.dumps(asked)))


# -- what is heard ---------------------------------------------------------------------

Hearing = Callable[[Answer, Call], Answer]


def _hearing(hear: Hearing) -> Callable[[SimulatedProvider], SimulatedPsp]:
    """Return an adapter that takes every answer for what `hear` makes of it."""

    class Mishears(_Broken):
        @override
        def send(self, call: Call, /) -> Answer:
            return hear(super().send(call), call)

    return Mishears


def timeout_is_a_decline(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Unknown):
        return Declined(decline=Decline(code="timeout"))
    return answer


def lost_is_not_sent(answer: Answer, _: Call) -> Answer:
    return NotSent(reason="lost") if isinstance(answer, Unknown) else answer


def not_sent_is_unknown(answer: Answer, _: Call) -> Answer:
    return Unknown(reason="refused") if isinstance(answer, NotSent) else answer


def conflict_is_unknown(answer: Answer, _: Call) -> Answer:
    return Unknown(reason="conflict") if isinstance(answer, Conflict) else answer


def rejected_is_unknown(answer: Answer, _: Call) -> Answer:
    return Unknown(reason="rejected") if isinstance(answer, Rejected) else answer


def reused_key_is_success(answer: Answer, _: Call) -> Answer:
    reused = isinstance(answer, Rejected) and answer.code == "idempotency_error"
    return Succeeded(snapshot=None) if reused else answer


def server_errors_are_refusals(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Unknown) and "not readable" in answer.reason:
        return Rejected(code=None, message="HTTP status 502")
    return answer


def rate_limits_are_refusals(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, NotExecuted):
        return Rejected(code=None, message="HTTP status 429")
    return answer


def wrong_keys_are_refusals(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Misconfigured):
        return Rejected(code=None, message="HTTP status 401")
    return answer


def pending_is_success(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Pending):
        return Succeeded(snapshot=answer.snapshot)
    return answer


def lists_end_after_a_page(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, EventPage):
        return replace(answer, snapshot=replace(answer.snapshot, next=None))
    return answer


def decline_is_raised(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Declined):
        raise RuntimeError(answer.decline.code)
    return answer


def challenge_is_success(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, ActionRequired):
        return Succeeded(snapshot=answer.snapshot)
    return answer


def absent_is_rejected(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Succeeded) and answer.snapshot is None:
        return Rejected(code="not_found", message="")
    return answer


def finds_nothing(answer: Answer, call: Call) -> Answer:
    return Succeeded(snapshot=None) if call.verb.startswith("find_") else answer


def fees_are_taken_off(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, tuple):
        net = tuple(replace(m, amount=m.amount - 30) for m in answer.snapshot)
        return replace(answer, snapshot=net)
    return answer


def holds_are_movements(answer: Answer, call: Call) -> Answer:
    if isinstance(answer, Succeeded) and answer.snapshot == ():
        return Unknown(reason=f"{call.verb}: nothing there")
    return answer


def refunds_lower_the_capture(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, PaymentSnapshot):
        seen, charge = answer.snapshot, answer.snapshot.charge
        left = seen.captured - (charge.refunded if charge else 0)
        return replace(answer, snapshot=replace(seen, captured=left))
    return answer


def charges_are_left_out(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, PaymentSnapshot):
        return replace(answer, snapshot=replace(answer.snapshot, charge=None))
    return answer


def refunds_belong_to_nobody(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, RefundSnapshot):
        seen = replace(answer.snapshot, payment=None, charge=None)
        return replace(answer, snapshot=seen)
    return answer


def cancellations_hold_on(answer: Answer, call: Call) -> Answer:
    snapshot = answer.snapshot if isinstance(answer, Succeeded) else None
    if isinstance(snapshot, PaymentSnapshot) and call.verb == "cancel_payment":
        held = replace(snapshot, status=PaymentStatus.AUTHORIZED)
        return Succeeded(snapshot=held)
    return answer


def declines_are_final(answer: Answer, call: Call) -> Answer:
    snapshot = answer.snapshot if isinstance(answer, Succeeded) else None
    if isinstance(snapshot, PaymentSnapshot) and snapshot.decline is not None:
        ended = replace(snapshot, status=PaymentStatus.CANCELED)
        return Succeeded(snapshot=ended)
    return answer


def endpoints_are_unknown(answer: Answer, call: Call) -> Answer:
    if call.verb == "list_webhook_endpoints":
        return Rejected(code="not_found", message="")
    return answer


def movements_are_only_named(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, PayoutSnapshot):
        ids = tuple(movement.reference for movement in answer.snapshot.movements)
        seen = replace(answer.snapshot, movements=(), named=ids)
        return replace(answer, snapshot=seen)
    return answer


def periods_have_no_end(answer: Answer, _: Call) -> Answer:
    shown = answer.snapshot if isinstance(answer, Succeeded) else None
    if isinstance(answer, Succeeded) and isinstance(shown, SubscriptionSnapshot):
        return replace(answer, snapshot=replace(shown, current_period_end=None))
    return answer


def invoices_are_of_nothing(answer: Answer, _: Call) -> Answer:
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, InvoiceSnapshot):
        seen = replace(answer.snapshot, subscription=None)
        return replace(answer, snapshot=seen)
    return answer


MISHEARD: Final[tuple[Hearing, ...]] = (
    timeout_is_a_decline,
    lost_is_not_sent,
    not_sent_is_unknown,
    conflict_is_unknown,
    rejected_is_unknown,
    reused_key_is_success,
    server_errors_are_refusals,
    rate_limits_are_refusals,
    wrong_keys_are_refusals,
    pending_is_success,
    lists_end_after_a_page,
    decline_is_raised,
    challenge_is_success,
    absent_is_rejected,
    finds_nothing,
    fees_are_taken_off,
    holds_are_movements,
    refunds_lower_the_capture,
    charges_are_left_out,
    refunds_belong_to_nobody,
    cancellations_hold_on,
    declines_are_final,
    endpoints_are_unknown,
    movements_are_only_named,
    periods_have_no_end,
    invoices_are_of_nothing,
)


class FindsOnTheFirstPage(_Broken):
    """Looks at the newest payments only, and calls that everything."""

    @override
    def send(self, call: Call, /) -> Answer:
        if call.verb != "find_payment":
            return super().send(call)
        asked = json.loads(call.parameters)
        newest = self.sim.call("find_payment", **asked["params"])["data"]
        assert isinstance(newest, list)
        seen = {row["id"] for row in newest}
        answer = super().send(call)
        found = answer.snapshot if isinstance(answer, Succeeded) else None
        if isinstance(found, PaymentSnapshot) and found.reference not in seen:
            return Succeeded(snapshot=None)
        return answer


class ReadsDiffer(_Broken):
    """Tells its own time of reading as the payment's."""

    @override
    def send(self, call: Call, /) -> Answer:
        answer = super().send(call)
        snapshot = answer.snapshot if isinstance(answer, Succeeded) else None
        if isinstance(snapshot, PaymentSnapshot):
            raw = f"{snapshot.raw_status} {next(self.numbers)}"
            return Succeeded(snapshot=replace(snapshot, raw_status=raw))
        return answer


class CountsDeclines(_Broken):
    """Tells another reason for the same decline."""

    @override
    def send(self, call: Call, /) -> Answer:
        answer = super().send(call)
        if isinstance(answer, Declined):
            code = f"declined {next(self.numbers)}"
            return replace(answer, decline=replace(answer.decline, code=code))
        return answer


# -- webhooks --------------------------------------------------------------------------


class _Trusting(_Broken):
    """Checks less of a webhook than it should."""

    @override
    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime, /) -> None:
        fields = [field.partition("=") for field in self._header(headers).split(",")]
        times = [value for name, _, value in fields if name == "t"]
        expected = self.sign(body, datetime.fromtimestamp(int(times[0]), now.tzinfo))
        self._compare(headers["stripe-signature"], expected["stripe-signature"])

    def _header(self, headers: Mapping[str, str]) -> str:
        return headers.get("stripe-signature", "")

    def _compare(self, given: str, expected: str) -> None:
        if not hmac.compare_digest(given, expected):
            raise SignatureInvalid("no signature matches")


class CrashesOnHeaders(_Trusting):
    """Raises ``TypeError`` for an umlaut, ``IndexError`` for nothing, and so on."""


class TrustsAnyTime(_Trusting):
    """Never looks at the time, so that a recorded webhook is good for ever."""

    @override
    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime, /) -> None:
        try:
            super().verify(body, headers, now)
        except Exception:
            raise SignatureInvalid("not genuine") from None


class TrustsAWebhookOnce(_Broken):
    """Refuses the second delivery of a genuine webhook."""

    @override
    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime, /) -> None:
        super().verify(body, headers, now)
        if next(self.numbers) > 1:
            raise SignatureInvalid("seen before")


class CrashesOnWords(_Broken):
    """Looks a status up in a table that it takes for complete."""

    @override
    def read_event(self, body: bytes, /) -> PspEvent:
        known = {"succeeded": 1, "requires_confirmation": 2, "canceled": 3}
        known[json.loads(body)["data"]["object"]["status"]]
        return super().read_event(body)


class TakesTheUnknownForPaid(_Broken):
    """Has a default where it should have none."""

    @override
    def read_event(self, body: bytes, /) -> PspEvent:
        event = super().read_event(body)
        subject = event.subject
        if isinstance(subject, PaymentSnapshot):
            paid = replace(subject, status=PaymentStatus.SUCCEEDED)
            return replace(event, subject=paid)
        return event


class CrashesOnBodies(_Broken):
    """Trusts that what comes is JSON of the expected shape."""

    @override
    def read_envelope(self, body: bytes, /) -> WebhookEnvelope:
        event = json.loads(body)
        return WebhookEnvelope(event_id=event["id"], event_type=event["type"])

    @override
    def read_event(self, body: bytes, /) -> PspEvent:
        event = json.loads(body)["data"]
        return (
            super().read_event(body)
            if event
            else PspEvent(id="", type="", subject=None)
        )


class LeaksSecrets(_Broken):
    """Leaves the payer's secret in the event, and calls events after their object."""

    @override
    def read_event(self, body: bytes, /) -> PspEvent:
        event = super().read_event(body)
        subject = event.subject
        if isinstance(subject, PaymentSnapshot):
            subject = replace(subject, client_secret="pi_1_secret_2")
        return replace(event, type="event", subject=subject)


class ForgetsTheAccount(_Broken):
    """Takes every event for one about its own account and mode."""

    @override
    def read_envelope(self, body: bytes, /) -> WebhookEnvelope:
        return replace(super().read_envelope(body), account=None, livemode=None)

    @override
    def read_event(self, body: bytes, /) -> PspEvent:
        return replace(super().read_event(body), account=None, livemode=None)


# -- the suite on each of them ---------------------------------------------------------

PLANTED: Final[Mapping[str, Callable[[SimulatedProvider], SimulatedPsp]]] = {
    # Nothing is planted in the first one.
    "sound": SimulatedPsp,
    "invents keys": InventsKeys,
    "gives reads a key": GivesReadsAKey,
    "misnames calls": MisnamesCalls,
    "stamps calls": StampsCalls,
    "writes metadata as it comes": WritesMetadataAsItComes,
    "takes its request apart": TakesItsRequestApart,
    "keeps calls in memory": KeepsCallsInMemory,
    "salts calls": SaltsCalls,
    "changes its name": ChangesItsName,
    "forgets keys soon": ForgetsKeysSoon,
    "acts twice": ActsTwice,
    "raises by the difference": RaisesByTheDifference,
    "finds on the first page": FindsOnTheFirstPage,
    "reads differ": ReadsDiffer,
    "counts declines": CountsDeclines,
    "crashes on headers": CrashesOnHeaders,
    "trusts any time": TrustsAnyTime,
    "trusts a webhook once": TrustsAWebhookOnce,
    "crashes on words": CrashesOnWords,
    "takes the unknown for paid": TakesTheUnknownForPaid,
    "crashes on bodies": CrashesOnBodies,
    "leaks secrets": LeaksSecrets,
    "forgets the account": ForgetsTheAccount,
    **{fault: _sending(changes) for fault, changes in MISSENT.items()},
    **{one.__name__.replace("_", " "): _counting(one) for one in MISCOUNTED},
    **{hear.__name__.replace("_", " "): _hearing(hear) for hear in MISHEARD},
}
"""The adapters by the name of their fault."""


class TestBroken(adapters.Simulated):
    """The whole suite, once for each fault."""

    @pytest.fixture(params=PLANTED)
    def fault(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    @override
    def psp(self, fault: str, sim: SimulatedProvider) -> Psp:
        return PLANTED[fault](sim)

    @pytest.fixture
    @override
    def restarted_psp(self, fault: str, sim: SimulatedProvider) -> Psp:
        return PLANTED[fault](sim)

    @pytest.fixture
    @override
    def webhook(self) -> SignedWebhook:
        return adapters.signed_webhook("payment_intent.succeeded")

    @pytest.fixture
    @override
    def lose_answer(self, sim: SimulatedProvider) -> Callable[[str], None]:
        return lambda verb: sim.faults.add(Fault.LOSE_ANSWER, verb=verb)
