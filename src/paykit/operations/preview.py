"""What may be shown of a webhook's body: no payer data, no secret, no card number."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from paykit.carddata import redact

__all__ = ["PREVIEW_MAX", "preview"]

PREVIEW_MAX: Final = 1_000
"""Characters; what is shown is short, however long the body is."""

_OPENED: Final = frozenset({"data", "object", "related_object"})
"""What is looked into: the object that an event is about."""

_SHOWN: Final = frozenset(
    {
        *("id", "object", "type", "status", "created", "livemode", "api_version"),
        *("account", "context", "amount", "amount_captured", "amount_capturable"),
        *("amount_received", "amount_refunded", "captured", "currency", "paid"),
        *("charge", "dispute", "latest_charge", "payment_intent", "refunded"),
    }
)
"""By name, because a value does not tell what it is: a number may be a postal code."""

_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""What ids, types, states and versions look like; names and addresses do not."""


def preview(body: bytes) -> str:
    """
    Return what helps to see why an event is stuck: which object, in which state.

    Only known fields are shown; that one is not there may be the very reason.
    """
    try:
        parsed = json.loads(body)
        text = json.dumps(_shown(parsed, depth=0), sort_keys=True)
    except (ValueError, RecursionError):
        return f"no JSON that can be read; {len(body)} bytes"
    return redact(text)[:PREVIEW_MAX]


def _shown(value: Any, *, depth: int) -> Any:
    if isinstance(value, Mapping) and depth <= len(_OPENED):
        return {
            name: _shown(inner, depth=depth + 1)
            for name, inner in value.items()
            if name in (_OPENED if isinstance(inner, Mapping) else _SHOWN)
        }
    if isinstance(value, str) and not _WORD.fullmatch(value):
        return f"[a text of {len(value)} characters]"
    if value is None or isinstance(value, str | bool | int):
        return value
    return f"[{type(value).__name__}]"
