"""
Names that survive amnesia (DESIGN law 4).

Everything is a pure function of what the caller sends again, so that even a lost row
rebuilds the same ids, the same PSP key and the same bytes.
"""

from __future__ import annotations

import json
from hashlib import sha256

from pydantic import BaseModel

__all__ = ["derived_id", "fingerprint", "is_psp_key", "operation_id", "psp_key"]

_PSP_KEY = "pk1:"


def _hash(*parts: str) -> str:
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return sha256(text.encode()).hexdigest()[:40]


def operation_id(installation: str, merchant: str, operation: str, key: str) -> str:
    """Return the id of an operation: the same for every repetition of the command."""
    return f"op_{_hash(installation, merchant, operation, key)}"


def derived_id(prefix: str, operation: str) -> str:
    """Return the id of the thing that the operation with this id creates."""
    return f"{prefix}_{_hash(prefix, operation)[:32]}"


def psp_key(operation: str, recovery_point: str, number: int) -> str:
    """Return the PSP's idempotency key of an attempt; at most 255 characters."""
    return f"{_PSP_KEY}{operation}:{recovery_point}:{number}"


def is_psp_key(key: str | None) -> bool:
    """Whether a key that the PSP shows looks like one of ours."""
    return key is not None and key.startswith(_PSP_KEY)


def fingerprint(command: BaseModel) -> str:
    """
    Return the versioned fingerprint of a command.

    Only fields that the caller set count, so that a release which adds an optional
    field does not make old keys look reused.
    """
    fields = command.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return f"v1:{sha256(text.encode()).hexdigest()}"
