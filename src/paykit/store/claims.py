"""Claims: the one charge-side command that is under way on a payment (DESIGN law 2)."""

from __future__ import annotations

from typing import Final, cast

from sqlalchemy import bindparam, delete, insert, select, update

from paykit.errors import InProgress
from paykit.lifecycle import PaymentEvent
from paykit.store.schema.payments import claim
from paykit.store.tx import Tx, Write, many

__all__ = ["Holder", "claim_command", "claimed_by", "release_claim", "unclaimed"]

Holder = tuple[str, PaymentEvent]
"""The operation that holds the claim, and its command."""

_OF_PAYMENT: Final = select(claim.c.operation_id, claim.c.command).where(
    claim.c.thing_id == bindparam("payment_id")
)
_CLAIM: Final = Write(claim, 40, many(insert(claim)))
_SUPERSEDE: Final = update(claim).where(claim.c.thing_id == bindparam("at_id"))
_RELEASE: Final = Write(
    claim,
    41,
    many(
        delete(claim).where(
            claim.c.thing_id == bindparam("at_id"),
            claim.c.operation_id == bindparam("at_operation"),
        )
    ),
)


def unclaimed(tx: Tx, payment_id: str) -> None:
    """Remember that nothing is under way on a payment that was just inserted."""
    tx.rows[claim.name, payment_id] = None


def claimed_by(tx: Tx, payment_id: str) -> Holder | None:
    """Return (operation id, command) of what is under way on the payment."""
    key = (claim.name, payment_id)
    if key in tx.rows:
        return cast("Holder | None", tx.rows[key])
    row = tx.on(claim).execute(_OF_PAYMENT, {"payment_id": payment_id}).one_or_none()
    return None if row is None else (row.operation_id, PaymentEvent(row.command))


def claim_command(
    tx: Tx,
    payment_id: str,
    command: PaymentEvent,
    operation_id: str,
    *,
    holder: Holder | None,
    supersedes: frozenset[PaymentEvent] = frozenset(),
) -> None:
    """
    Claim the payment for `command`, or raise `InProgress`.

    `holder` is what `claimed_by` says of it.

    A command may supersede the claim of another one, whose answer is then still
    recorded but ends only its own operation. The payment's row must be locked.
    """
    values = {
        "command": command.value,
        "operation_id": operation_id,
        "claimed_at": tx.now,
    }
    if holder is None:
        tx.later(_CLAIM, {"thing_id": payment_id, **values})
    elif holder[0] == operation_id:
        return
    elif holder[1] in supersedes:
        tx.connection.execute(_SUPERSEDE, {"at_id": payment_id, **values})
    else:
        raise InProgress(
            f"payment {payment_id}: {holder[1].value} is under way; "
            "repeat the call when it has ended"
        )
    tx.rows[claim.name, payment_id] = (operation_id, command)


def release_claim(tx: Tx, payment_id: str, operation_id: str) -> None:
    """Give the claim up, if `operation_id` still holds it."""
    tx.rows.pop((claim.name, payment_id), None)
    tx.later(_RELEASE, {"at_id": payment_id, "at_operation": operation_id})
