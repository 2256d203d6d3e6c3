"""The payment that stands for a host's order, until it ends without money."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, select

from paykit.errors import NotAllowed
from paykit.store.ignoring import insert_or_ignore
from paykit.store.payments import PaymentRow
from paykit.store.schema.payments import live_reference
from paykit.store.tx import Tx, Write, many

__all__ = ["hold_reference", "release_reference"]

_HOLDER: Final = select(live_reference.c.payment_id).where(
    live_reference.c.merchant_id == bindparam("merchant"),
    live_reference.c.reference == bindparam("held"),
)
_HOLD: Final = insert_or_ignore(live_reference)
_RELEASE: Final = Write(
    live_reference,
    42,
    many(
        delete(live_reference).where(
            live_reference.c.merchant_id == bindparam("merchant"),
            live_reference.c.reference == bindparam("held"),
            live_reference.c.payment_id == bindparam("at_id"),
        )
    ),
)


def hold_reference(tx: Tx, *, merchant: str, reference: str, payment_id: str) -> None:
    """
    Let `reference` stand for this payment and no other one.

    Raises `NotAllowed` while another payment of the merchant stands for it.
    """
    connection = tx.on(live_reference)
    values = {"merchant_id": merchant, "reference": reference, "payment_id": payment_id}
    connection.execute(_HOLD[connection.dialect.name], values)
    holder = connection.scalar(_HOLDER, {"merchant": merchant, "held": reference})
    if holder != payment_id:
        raise NotAllowed(
            f"reference {reference!r} already has the payment {holder}; "
            "cancel that one first, or repeat the call with its idempotency key"
        )


def release_reference(tx: Tx, row: PaymentRow) -> None:
    """Let the host's reference be used again: the payment ended without money."""
    if row.reference is not None:
        held = {"merchant": row.merchant_id, "held": row.reference, "at_id": row.id}
        tx.later(_RELEASE, held)
