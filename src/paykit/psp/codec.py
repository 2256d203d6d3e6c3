"""
Answers as JSON, to be stored and read back, also by another release.

The kind is the class's name. The client secret is taken out before anything is stored
(DESIGN law 11): whoever needs it reads it from the PSP again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from pydantic import TypeAdapter

from paykit.psp.answers import ActionRequired, Answer, Declined, Pending, Succeeded
from paykit.psp.snapshots import PaymentSnapshot

__all__ = ["client_secret_of", "decode_answer", "encode_answer"]

_KINDS: dict[str, TypeAdapter[Answer]] = {
    cls.__name__: TypeAdapter(cls) for cls in get_args(Answer)
}


def _payment_of(answer: Answer) -> PaymentSnapshot | None:
    if isinstance(answer, Succeeded | ActionRequired | Pending | Declined):
        snapshot = answer.snapshot
        return snapshot if isinstance(snapshot, PaymentSnapshot) else None
    return None


def client_secret_of(answer: Answer) -> str | None:
    """Return the client secret that came with `answer`, if one did."""
    snapshot = _payment_of(answer)
    return None if snapshot is None else snapshot.client_secret


def _without_secret(answer: Answer) -> Answer:
    snapshot = _payment_of(answer)
    if snapshot is None or not isinstance(
        answer, Succeeded | ActionRequired | Pending | Declined
    ):
        return answer
    return replace(answer, snapshot=replace(snapshot, client_secret=None))


def encode_answer(answer: Answer) -> tuple[str, dict[str, object]]:
    """Return the kind of `answer` and its JSON body, free of secrets."""
    kind = type(answer).__name__
    body: dict[str, object] = _KINDS[kind].dump_python(
        _without_secret(answer), mode="json"
    )
    return kind, body


def decode_answer(kind: str, body: object) -> Answer:
    """Return the answer that `encode_answer` wrote."""
    return _KINDS[kind].validate_python(body)
