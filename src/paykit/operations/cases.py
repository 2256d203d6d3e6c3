"""
Cases, as a person sees them: which wait, and everything that is known about one.

Nothing here leaves the database, and nothing of it is a secret; fields of a command
that may hold something about the payer are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field, StringConstraints

from paykit.engine.evidence import described
from paykit.engine.resolving import payment_of
from paykit.errors import InvalidRequest, NotFound
from paykit.operations.commands import Command, build
from paykit.store import cases, operations, payments, refunds
from paykit.store.operations import AnswerRow, AttemptRow, OperationRow
from paykit.store.tx import Tx

__all__ = [
    "AnswerView",
    "AttemptView",
    "CasePage",
    "CaseView",
    "OperationId",
    "OperationView",
    "check_operation_id",
    "list_cases",
    "show_operation",
]

_PAGE_MAX: Final = 500
_PAYER: Final = frozenset({"customer", "description", "metadata", "receipt_email"})
_TOKENS: Final = frozenset({"payment_method", "return_url"})
_HIDDEN: Final = _PAYER | _TOKENS
"""Fields of a command that nobody needs in order to decide a case."""

OperationId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """An operation whose outcome nobody could find out: a person has to."""

    operation_id: str
    operation: str
    """Its name, such as ``payment.capture``."""
    merchant: str
    payment_id: str | None
    why: str
    """The last thing that was heard or not heard."""
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class CasePage:
    """Some cases, oldest first."""

    items: tuple[CaseView, ...]
    next: str | None
    """Pass it as `after` to get the following page; None on the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerView:
    """Something that the PSP said to a send, or that an event of it proved."""

    said: Mapping[str, object]
    request_id: str | None
    """The PSP's id of the request; its support asks for it."""
    replayed: bool
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One call to the PSP; times are UTC."""

    key: str
    """The idempotency key under which it was sent."""
    verb: str
    binding: str
    """Which provider, account and mode it was sent to."""
    outcome: str | None
    """None while nobody knows."""
    first_sent_at: datetime
    write_deadline: datetime
    """From then on nothing is sent with the key any more."""
    proved_by: str | None
    """The PSP's event that proves that it was executed."""
    heard: tuple[AnswerView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """Everything that is known about one operation; times are UTC."""

    operation_id: str
    operation: str
    status: str
    """``open``, ``case``, ``done`` or ``failed``."""
    merchant: str
    payment_id: str | None
    psp_references: tuple[str, ...]
    """The PSP's ids of the payment and, for a refund, of the refund."""
    command: Mapping[str, object]
    """What was asked for; fields that may hold something about the payer say so."""
    created_at: datetime
    finished_at: datetime | None
    execute_before: datetime | None
    error: Mapping[str, object] | None
    """Type, message and code, if it has failed."""
    attempts: tuple[AttemptView, ...]
    case: CaseView | None
    seen: tuple[Mapping[str, object], ...]
    """What was read as evidence, last, before it became a case."""


class _PageOf(Command, frozen=True):
    limit: int = Field(ge=1, le=_PAGE_MAX)


class _OperationOnly(Command, frozen=True):
    operation_id: OperationId


def check_operation_id(operation_id: str) -> str:
    """Return what can be looked up as an operation's id, if there is one."""
    return build(_OperationOnly, {"operation_id": operation_id}).operation_id


def list_cases(limit: int, after: str | None, tx: Tx) -> CasePage:
    """Return a page of the cases that are open; raises `InvalidRequest`."""
    wanted = build(_PageOf, {"limit": limit}).limit
    rows = cases.page(tx, limit=wanted + 1, after=_cursor(after))
    items = tuple(_case(row) for row in rows[:wanted])
    return CasePage(items, str(rows[wanted - 1].id) if len(rows) > wanted else None)


def _cursor(after: str | None) -> UUID | None:
    try:
        return None if after is None else UUID(after)
    except ValueError:
        raise InvalidRequest("after: not the end of a page", field="after") from None


def _case(row: cases.CaseRow) -> CaseView:
    return CaseView(
        operation_id=row.operation_id,
        operation=row.name,
        merchant=row.merchant_id,
        payment_id=row.payment_id,
        why=row.why,
        opened_at=row.opened_at,
    )


def show_operation(operation_id: str, tx: Tx) -> OperationView:
    """Return all that is known about an operation, a case or not; raises `NotFound`."""
    row = operations.by_id(tx, check_operation_id(operation_id))
    if row is None:
        raise NotFound(f"no operation {operation_id!r}")
    case = cases.of_operation(tx, row.id)
    found = operations.attempts_of(tx, row.id)
    return OperationView(
        operation_id=row.id,
        operation=row.name,
        status=row.status,
        merchant=row.merchant_id,
        payment_id=payment_of(row),
        psp_references=_references(tx, row),
        command={
            name: "(not shown)" if name in _HIDDEN else value
            for name, value in row.command.items()
        },
        created_at=row.created_at,
        finished_at=row.finished_at,
        execute_before=row.execute_before,
        error=row.error,
        attempts=tuple(_attempt(tx, one) for one in found),
        case=None if case is None else _case(case),
        seen=() if case is None else tuple(case.seen),
    )


def _references(tx: Tx, row: OperationRow) -> tuple[str, ...]:
    payment_id = payment_of(row)
    if payment_id is None:
        return ()
    payment = payments.load(tx, payment_id, merchant=None, lock=False)
    ours = (row.recovery_state or {}).get("refund_id")
    refund = None if ours is None else refunds.peek(tx, str(ours))
    known = (payment.psp_reference, None if refund is None else refund.psp_reference)
    return tuple(reference for reference in known if reference is not None)


def _attempt(tx: Tx, row: AttemptRow) -> AttemptView:
    return AttemptView(
        key=row.psp_key,
        verb=row.verb,
        binding=row.binding,
        outcome=row.outcome,
        first_sent_at=row.first_sent_at,
        write_deadline=row.write_deadline,
        proved_by=row.proved_by,
        heard=tuple(_answer(one) for one in operations.heard(tx, row.id)),
    )


def _answer(row: AnswerRow) -> AnswerView:
    return AnswerView(
        said=described(row.answer),
        request_id=row.answer.request_id,
        replayed=row.answer.replayed,
        received_at=row.received_at,
    )
