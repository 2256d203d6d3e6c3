"""
What a good response means, for each verb; and the pages of a search.

Pure: `Exchange` says what to ask and is told what was heard. The adapters, blocking and
asyncio, only carry messages, so nothing is decided twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypedDict

from paykit.psp.answers import (
    ActionRequired,
    Answer,
    Declined,
    Pending,
    Succeeded,
    Unknown,
)
from paykit.psp.requests import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    CreateRefund,
    FindPayment,
    FindRefund,
    IncrementAuthorization,
    ListBalanceTransactions,
    ListEvents,
    ListWebhookEndpoints,
    ReadCharge,
    ReadDispute,
    ReadInvoice,
    ReadPayment,
    ReadPayout,
    ReadRefund,
    ReadSubscription,
    SearchPayments,
    UpdatePayment,
)
from paykit.psp.snapshots import (
    BalanceTransaction,
    Decline,
    PaymentSnapshot,
    PaymentStatus,
    RefundSnapshot,
    RefundStatus,
)
from paykit.stripe import account_objects, billing_objects, fields, listing, objects
from paykit.stripe.fields import JsonObject, Unreadable
from paykit.stripe.wire import Params, WireCall

__all__ = ["MOST_PAGES", "Exchange", "Reply"]

MOST_PAGES: Final = 10
"""How many pages of a hundred a search reads before it gives up as unknown."""


class _Record(TypedDict):
    request_id: str | None
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response with a good status, parsed."""

    data: object
    request_id: str | None
    replayed: bool

    @property
    def body(self) -> JsonObject:
        """The object that came; raises `Unreadable` if it is none."""
        if not isinstance(self.data, dict):
            raise Unreadable("the body is no JSON object")
        return self.data

    @property
    def record(self) -> _Record:
        """What every answer carries."""
        return {"request_id": self.request_id, "replayed": self.replayed}


class Exchange:
    """
    One call with all its pages: ask with `params`, `hear`, until there is an `answer`.

    Raises `ValueError` at once for a verb that this release does not know.
    """

    def __init__(self, call: WireCall) -> None:
        known = _reader(call) is not None or call.verb in _LISTS
        if not known or (call.verb in _SEARCHES) != (call.match is not None):
            raise ValueError(f"{call.verb}: not a call of this adapter")
        self._call = call
        self._pages = 0
        self._movements: list[BalanceTransaction] = []
        self.params: Params = call.params
        """What to ask next."""
        self.answer: Answer | None = None
        """What it all means; None while there is more to ask."""

    def hear(self, reply: Reply) -> None:
        """Take in what was said to `params`; afterwards ask again, or be done."""
        read = _reader(self._call) or self._listed
        try:
            self.answer = read(reply)
        except Unreadable as error:
            self.answer = Unknown(reason=f"unreadable: {error}", **reply.record)

    def _listed(self, reply: Reply) -> Answer | None:
        searched = self._call.verb == SearchPayments.verb
        page, more = _page(reply.body, "search_result" if searched else "list")
        if self._call.match is None:
            self._movements += map(objects.balance_transaction, page)
        else:
            found = _matching(page, self._call.match)
            if found:
                return self._found(found, reply)
        return self._next_page(page, reply) if more else self._complete(reply)

    def _found(self, things: list[JsonObject], reply: Reply) -> Succeeded | Unknown:
        """Answer with the one that matches; two are for a person to look at."""
        if len(things) > 1:
            reason = f"{len(things)} objects carry the metadata of one"
            return Unknown(reason=reason, **reply.record)
        snapshot = _SEARCHES[self._call.verb](things[0])
        return Succeeded(snapshot=snapshot, **reply.record)

    def _complete(self, reply: Reply) -> Succeeded:
        """Answer after the last page: for a search, there definitely is no such one."""
        searched = self._call.match is not None
        return Succeeded(
            snapshot=None if searched else tuple(self._movements), **reply.record
        )

    def _next_page(self, page: list[JsonObject], reply: Reply) -> Unknown | None:
        self._pages += 1
        if self._pages == MOST_PAGES:
            reason = f"more than {MOST_PAGES} pages to look through"
            return Unknown(reason=reason, **reply.record)
        if not page:
            raise Unreadable("an empty page says that there is more")
        if self._call.verb == SearchPayments.verb:
            after = {"page": fields.text(reply.body, "next_page")}
        else:
            after = {"starting_after": fields.text(page[-1], "id")}
        self.params = {**self._call.params, **after}
        return None


def _page(body: JsonObject, kind: str = "list") -> tuple[list[JsonObject], bool]:
    # Strict: what is taken for the last page makes a search definite.
    more = body.get("has_more")
    if body.get("object") != kind or not isinstance(more, bool):
        raise Unreadable(f"the object is no {kind}")
    return fields.children(body, "data"), more


def _matching(page: list[JsonObject], match: Mapping[str, str]) -> list[JsonObject]:
    """Return what carries all of `match`, and perhaps more."""
    return [
        thing
        for thing in page
        if match.items() <= fields.strings(thing, "metadata").items()
    ]


def _created(reply: Reply) -> Answer:
    """Nothing was asked of the payer, so any status is a success."""
    return Succeeded(snapshot=objects.payment(reply.body), **reply.record)


def _confirmed(reply: Reply) -> Answer:
    snapshot = objects.payment(reply.body)
    match snapshot.status:
        case PaymentStatus.AUTHORIZED | PaymentStatus.SUCCEEDED:
            return Succeeded(snapshot=snapshot, **reply.record)
        case PaymentStatus.REQUIRES_ACTION:
            return ActionRequired(snapshot=snapshot, **reply.record)
        case PaymentStatus.PROCESSING:
            return Pending(snapshot=snapshot, **reply.record)
        case PaymentStatus.REQUIRES_PAYMENT_METHOD:
            decline = snapshot.decline or Decline(code="unknown")
            return Declined(decline=decline, snapshot=snapshot, **reply.record)
        case _:
            return _unexpected(snapshot, reply)


def _captured(reply: Reply) -> Answer:
    snapshot = objects.payment(reply.body)
    match snapshot.status:
        case PaymentStatus.SUCCEEDED:
            return Succeeded(snapshot=snapshot, **reply.record)
        case PaymentStatus.PROCESSING:
            return Pending(snapshot=snapshot, **reply.record)
        case _:
            return _unexpected(snapshot, reply)


def _captured_in_part(reply: Reply) -> Answer:
    """The rest stays authorized; Stripe may settle the payment if nothing is left."""
    snapshot = objects.payment(reply.body)
    if snapshot.status is PaymentStatus.AUTHORIZED:
        return Succeeded(snapshot=snapshot, **reply.record)
    return _captured(reply)


def _incremented(reply: Reply) -> Answer:
    """A good answer says that the issuer agreed: a no comes as an error."""
    snapshot = objects.payment(reply.body)
    if snapshot.status is PaymentStatus.AUTHORIZED:
        return Succeeded(snapshot=snapshot, **reply.record)
    return _unexpected(snapshot, reply)


def _canceled(reply: Reply) -> Answer:
    snapshot = objects.payment(reply.body)
    if snapshot.status in (PaymentStatus.CANCELED, PaymentStatus.EXPIRED):
        return Succeeded(snapshot=snapshot, **reply.record)
    return _unexpected(snapshot, reply)


def _refunded(reply: Reply) -> Answer:
    """A refund that failed was made all the same: its snapshot says how it went."""
    snapshot: RefundSnapshot = objects.refund(reply.body)
    if snapshot.status in (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION):
        return Pending(snapshot=snapshot, **reply.record)
    return Succeeded(snapshot=snapshot, **reply.record)


def _read_payment(reply: Reply) -> Answer:
    return Succeeded(snapshot=objects.payment(reply.body), **reply.record)


def _read_refund(reply: Reply) -> Answer:
    return Succeeded(snapshot=objects.refund(reply.body), **reply.record)


def _read_charge(reply: Reply) -> Answer:
    return Succeeded(snapshot=objects.charge(reply.body), **reply.record)


def _read_dispute(reply: Reply) -> Answer:
    return Succeeded(snapshot=objects.dispute(reply.body), **reply.record)


def _read_payout(reply: Reply) -> Answer:
    return Succeeded(snapshot=account_objects.payout(reply.body), **reply.record)


def _read_subscription(reply: Reply) -> Answer:
    return Succeeded(snapshot=billing_objects.subscription(reply.body), **reply.record)


def _read_invoice(reply: Reply) -> Answer:
    return Succeeded(snapshot=billing_objects.invoice(reply.body), **reply.record)


def _read_events(reply: Reply) -> Answer:
    """One page: whoever asks keeps it before the next one is asked for."""
    page, more = _page(reply.body)
    return Succeeded(snapshot=listing.event_page(page, more=more), **reply.record)


def _read_endpoints(version: str, reply: Reply) -> Answer:
    page, more = _page(reply.body)
    if more:
        raise Unreadable("more endpoints than an account can have")
    return Succeeded(snapshot=listing.endpoints(page, version), **reply.record)


def _unexpected(snapshot: PaymentSnapshot, reply: Reply) -> Unknown:
    """Let the status be read again: no table says what it means for this verb."""
    status = snapshot.raw_status[:40]
    return Unknown(reason=f"the payment is {status!r}", **reply.record)


_READERS: Final[Mapping[str, Callable[[Reply], Answer | None]]] = {
    CreatePayment.verb: _created,
    ConfirmPayment.verb: _confirmed,
    CapturePayment.verb: _captured,
    IncrementAuthorization.verb: _incremented,
    UpdatePayment.verb: _created,
    CancelPayment.verb: _canceled,
    CreateRefund.verb: _refunded,
    ReadPayment.verb: _read_payment,
    ReadRefund.verb: _read_refund,
    ReadCharge.verb: _read_charge,
    ReadDispute.verb: _read_dispute,
    ReadPayout.verb: _read_payout,
    ReadSubscription.verb: _read_subscription,
    ReadInvoice.verb: _read_invoice,
    ListEvents.verb: _read_events,
}


def _reader(call: WireCall) -> Callable[[Reply], Answer | None] | None:
    """Return how an answer to `call` is read; None for a list."""
    if call.verb == CapturePayment.verb and call.params.get("final_capture") is False:
        return _captured_in_part
    if call.verb == ListWebhookEndpoints.verb:
        return partial(_read_endpoints, call.version)
    return _READERS.get(call.verb)


_SEARCHES: Final[
    Mapping[str, Callable[[JsonObject], PaymentSnapshot | RefundSnapshot]]
] = {
    FindPayment.verb: objects.payment,
    FindRefund.verb: objects.refund,
    SearchPayments.verb: objects.payment,
}

_LISTS: Final = frozenset({*_SEARCHES, ListBalanceTransactions.verb})
