"""Our ids in the PSP's metadata: how an object is found again without its id."""

from __future__ import annotations

from collections.abc import Mapping

from paykit.engine import Context

__all__ = [
    "PREFIX",
    "operation_metadata",
    "payment_of",
    "refund_of",
    "tag",
]

PREFIX = "paykit_"
"""Metadata keys with this prefix are ours; a host may not use them."""

_OPERATION = f"{PREFIX}operation_id"
_PAYMENT = f"{PREFIX}payment_id"
_REFUND = f"{PREFIX}refund_id"
_MERCHANT = f"{PREFIX}merchant"


def tag(
    ctx: Context,
    metadata: Mapping[str, str],
    *,
    payment_id: str,
    refund_id: str | None = None,
) -> dict[str, str]:
    """Return the host's metadata with our ids added; derives from the command alone."""
    ours = {
        _OPERATION: ctx.operation_id,
        _PAYMENT: payment_id,
        _MERCHANT: ctx.merchant,
    }
    if refund_id is not None:
        ours[_REFUND] = refund_id
    return {**metadata, **ours}


def operation_metadata(operation_id: str) -> dict[str, str]:
    """Return what an object made by this operation carries."""
    return {_OPERATION: operation_id}


def payment_of(metadata: Mapping[str, str]) -> str | None:
    """Return our payment's id, if the object is ours."""
    return metadata.get(_PAYMENT)


def refund_of(metadata: Mapping[str, str]) -> str | None:
    """Return our refund's id, if the object is ours."""
    return metadata.get(_REFUND)
