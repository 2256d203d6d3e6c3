"""
Taking in what the PSP shows of a subscription.

Each begins at the PSP, and is recorded for the merchant whom its metadata name. The
first look at one is taken as it is shown. After that an event proves only that it has
ended, for nothing follows an end; the other statuses come in circles, several within a
second, so whatever differs is read again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from paykit.carddata import redact
from paykit.errors import InvalidRequest
from paykit.lifecycle import (
    SUBSCRIPTION,
    SUBSCRIPTION_ENDED,
    SubscriptionEvent,
    SubscriptionState,
    fire,
)
from paykit.operations.commands import check_merchant
from paykit.operations.links import MERCHANT
from paykit.operations.verdicts import Heard, Needs, Verdict
from paykit.psp import (
    Named,
    ReadSubscription,
    Subject,
    SubscriptionSnapshot,
    SubscriptionStatus,
)
from paykit.store.events import NewEvent
from paykit.store.subscriptions import SUBSCRIPTIONS, SubscriptionRow
from paykit.store.tx import Tx

__all__ = ["follow_subscription", "observe_subscription", "read_again"]

_FOREIGN: Final = f"foreign: a subscription whose metadata have no {MERCHANT}"
_STRANGER: Final = f"foreign: {MERCHANT} names nobody who uses this account"

_EVENTS: Final = {
    SubscriptionStatus.INCOMPLETE: SubscriptionEvent.AWAIT_PAYMENT,
    SubscriptionStatus.INCOMPLETE_EXPIRED: SubscriptionEvent.EXPIRE,
    SubscriptionStatus.TRIALING: SubscriptionEvent.TRY_OUT,
    SubscriptionStatus.ACTIVE: SubscriptionEvent.ACTIVATE,
    SubscriptionStatus.PAST_DUE: SubscriptionEvent.FALL_DUE,
    SubscriptionStatus.UNPAID: SubscriptionEvent.GIVE_UP,
    SubscriptionStatus.PAUSED: SubscriptionEvent.PAUSE,
    SubscriptionStatus.CANCELED: SubscriptionEvent.CANCEL,
}

_OVER: Final = frozenset(
    {SubscriptionStatus.INCOMPLETE_EXPIRED, SubscriptionStatus.CANCELED}
)

_SHOWN: Final = (
    "raw_status",
    "customer",
    "cancel_at_period_end",
    "cancel_at",
    "canceled_at",
    "ended_at",
    "current_period_end",
    "latest_invoice",
)
"""What a snapshot and a row call by the same name, but for the metadata."""

_LONGEST: Final = {"raw_status": 64, "customer": 255, "latest_invoice": 255}
"""How much of the PSP's words a column holds."""


def follow_subscription(tx: Tx, heard: Heard, subject: Subject) -> Verdict | Needs:
    """
    Take in what an event shows of a subscription, or say that it must be read.

    Raises `LookupError` if the PSP does not know the subscription of its own event.
    """
    if not isinstance(subject, SubscriptionSnapshot | Named):
        raise TypeError("no event about a subscription")
    reference = subject.reference
    row = SUBSCRIPTIONS.find(tx, binding=heard.binding, psp_reference=reference)
    read = read_again(heard, reference, row)
    seen: SubscriptionSnapshot | None
    if isinstance(read, Needs):
        seen = _proven(row, subject)
        if seen is None:
            return read
    else:
        seen = read
    if row is None:
        whose = _merchant(heard, seen)
        if isinstance(whose, Verdict):
            # What was read just now will not be another thing in a minute.
            return replace(whose, status="ignored") if seen is read else whose
        row = _adopt(tx, heard, seen, whose)
        if row is None:
            # Another worker has heard of it first: look at what it has written.
            return follow_subscription(tx, heard, subject)
    observe_subscription(tx, row, seen, cause=heard.cause)
    return Verdict("applied")


def read_again(
    heard: Heard, reference: str, row: SubscriptionRow | None
) -> SubscriptionSnapshot | Needs:
    """
    Return what was read while `row` was as it is now, or that it must be read.

    Raises `LookupError` if the PSP does not know the subscription.
    """
    request = ReadSubscription(subscription=reference)
    version = None if row is None else row.version
    found = heard.reads.get(request)
    if found is None or found.version != version:
        return Needs(request, version)
    if not isinstance(found.subject, SubscriptionSnapshot):
        raise LookupError("the PSP does not know the subscription of its own event")
    return found.subject


def observe_subscription(
    tx: Tx, row: SubscriptionRow, seen: SubscriptionSnapshot, *, cause: str
) -> SubscriptionRow:
    """
    Write down and tell what `seen` shows that `row`, which is locked, has not.

    A look that shows nothing new counts as well: what somebody else has read before it,
    and is about to write, may be older.
    """
    changes = _changed(row, seen)
    first = row.event_sequence == 0
    if not changes and not first:
        over = row.state in SUBSCRIPTION_ENDED
        return row if over else SUBSCRIPTIONS.save(tx, row, {}, cause=cause)
    told = _told(row, seen, changes, first=first)
    return SUBSCRIPTIONS.save(tx, row, changes, cause=cause, happened=told)


def _proven(
    row: SubscriptionRow | None, seen: SubscriptionSnapshot | Named
) -> SubscriptionSnapshot | None:
    """Return what the payload is enough for: a first look, nothing new, or the end."""
    if isinstance(seen, Named):
        return None
    if row is None or not _changed(row, seen):
        return seen
    ends = seen.status in _OVER and row.state not in SUBSCRIPTION_ENDED
    return seen if ends else None


def _merchant(heard: Heard, seen: SubscriptionSnapshot) -> str | Verdict:
    """
    Return whose it is by its metadata, or that it is nobody's here.

    Who may write metadata on one account must not get into another merchant's rows. It
    may have named somebody before, in an event that is still to come.
    """
    named = seen.metadata.get(MERCHANT)
    if named is None:
        return Verdict("deferred", _FOREIGN, reference=seen.reference)
    stranger = Verdict("deferred", _STRANGER, reference=seen.reference)
    try:
        merchant = check_merchant(named)
    except InvalidRequest:
        return stranger
    return merchant if heard.serves(merchant) else stranger


def _adopt(
    tx: Tx, heard: Heard, seen: SubscriptionSnapshot, merchant: str
) -> SubscriptionRow | None:
    """Record it in its first state; what `seen` shows of it comes after that."""
    return SUBSCRIPTIONS.adopt(
        tx,
        {
            "id": f"sub_{tx.new_uuid().hex}",
            "merchant_id": merchant,
            "binding": heard.binding,
            "psp_reference": seen.reference,
            **_shown(seen),
        },
    )


def _shown(seen: SubscriptionSnapshot) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(seen, name) for name in _SHOWN}
    for name, longest in _LONGEST.items():
        value = values[name]
        values[name] = value[:longest] if isinstance(value, str) else value
    values["metadata"] = {
        _storable(key): redact(_storable(text)) for key, text in seen.metadata.items()
    }
    return values


def _storable(text: str) -> str:
    """Return what every database takes: PostgreSQL's JSON has neither of the two."""
    return (
        text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        .encode(errors="replace")
        .decode()
    )


def _changed(row: SubscriptionRow, seen: SubscriptionSnapshot) -> dict[str, object]:
    """
    Return the columns that `seen` changes; an unknown status keeps the state.

    Nothing that shows it alive changes one that has ended: that is old.
    """
    event = _EVENTS.get(seen.status)
    if row.state in SUBSCRIPTION_ENDED and str(row.state) != seen.status.value:
        return {}
    changes = {
        name: value
        for name, value in _shown(seen).items()
        if getattr(row, name) != value
    }
    if event is not None and str(row.state) != seen.status.value:
        changes["state"] = fire(SUBSCRIPTION, row.state, event).value
    return changes


def _told(
    before: SubscriptionRow,
    seen: SubscriptionSnapshot,
    changes: dict[str, object],
    *,
    first: bool,
) -> list[NewEvent]:
    """Return what to tell: that it is there, renewed, or stands elsewhere now."""
    here, data = before.state.value, _data(seen)
    state = SubscriptionState(str(changes.get("state", here)))
    told: list[NewEvent] = []
    if first:
        told.append(NewEvent(type="subscription.started", to_state=here, data=data))
    if _is_renewed(before, seen) and state not in SUBSCRIPTION_ENDED:
        same = {"from_state": here, "to_state": here}
        told.append(NewEvent(type="subscription.renewed", **same, data=data))
    moved = {"from_state": here, "to_state": state.value}
    if "state" in changes and state in SUBSCRIPTION_ENDED:
        told.append(NewEvent(type="subscription.ended", **moved, data=data))
    elif "state" in changes:
        told.append(NewEvent(type=f"subscription.{state}", **moved, data=data))
    return told or [NewEvent(type="subscription.updated", **moved, data=data)]


def _is_renewed(before: SubscriptionRow, seen: SubscriptionSnapshot) -> bool:
    until, now = before.current_period_end, seen.current_period_end
    return until is not None and now is not None and now > until


def _data(seen: SubscriptionSnapshot) -> dict[str, object]:
    shown = _shown(seen)
    del shown["customer"], shown["metadata"]
    moments = ("cancel_at", "canceled_at", "ended_at", "current_period_end")
    texts = {
        name: None if (moment := getattr(seen, name)) is None else moment.isoformat()
        for name in moments
    }
    status = shown.pop("raw_status")
    return {"reference": seen.reference, "status": status, **shown, **texts}
