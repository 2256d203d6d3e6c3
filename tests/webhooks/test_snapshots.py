"""What was read of an object can be stored as an answer, and read back the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

import pytest

from paykit.psp import (
    BalanceTransaction,
    ChargeSnapshot,
    DisputeSnapshot,
    DisputeStatus,
    PayoutSnapshot,
    PayoutStatus,
    Snapshot,
    Succeeded,
)
from paykit.psp.codec import decode_answer, encode_answer

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)

MOVEMENT: Final = BalanceTransaction(
    reference="txn_1",
    source="du_1",
    category="dispute",
    amount=-1000,
    fee=1500,
    currency="eur",
    created=NOON,
)
DISPUTE: Final = DisputeSnapshot(
    reference="du_1",
    charge="ch_1",
    payment="pi_1",
    status=DisputeStatus.UNRECOGNIZED,
    raw_status="tossed_by_a_coin",
    amount=1000,
    currency="eur",
    reason="fraudulent",
    evidence_due_by=NOON,
    submissions=1,
    charge_refundable=False,
    movements=(MOVEMENT,),
    created=NOON,
)
CHARGE: Final = ChargeSnapshot(
    reference="ch_1",
    payment="pi_1",
    status="failed",
    amount=1000,
    captured=1000,
    refunded=0,
    currency="eur",
    returned=True,
)
PAYOUT: Final = PayoutSnapshot(
    reference="po_1",
    status=PayoutStatus.PAID,
    raw_status="paid",
    amount=-1000,
    currency="eur",
    automatic=True,
    arrival=NOON,
    failure_code=None,
    movements=(MOVEMENT,),
    named=("txn_2",),
)


@pytest.mark.parametrize(
    "snapshot", [DISPUTE, CHARGE, PAYOUT], ids=["dispute", "charge", "payout"]
)
def test_a_snapshot_is_the_same_after_it_was_stored(snapshot: Snapshot) -> None:
    kind, body = encode_answer(Succeeded(snapshot=snapshot))
    stored = json.loads(json.dumps(body))
    assert decode_answer(kind, stored) == Succeeded(snapshot=snapshot)
