"""
The provider's memory as JSON, so that it can outlive a process.

`TABLES` says what an account consists of: whoever gives `State` another table adds a
line here, and dumps, restarts and the server's journal have it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from paykit.testing.simulated.account_objects import (
    SimEndpoint,
    SimPayout,
    SimSetupIntent,
    SimTestClock,
)
from paykit.testing.simulated.admission import Account
from paykit.testing.simulated.billing_objects import SimInvoice, SimSubscription
from paykit.testing.simulated.claims import SimDispute, SimReview, SimWarning
from paykit.testing.simulated.idempotency import Remembered
from paykit.testing.simulated.objects import (
    Json,
    SimBalanceTransaction,
    SimCharge,
    SimEvent,
    SimIntent,
    SimRefund,
)
from paykit.testing.simulated.state import Shared, State

__all__ = ["KEYS", "TABLES", "pack", "pack_row", "unpack"]

TABLES: Final[Mapping[str, type]] = {
    "intents": SimIntent,
    "charges": SimCharge,
    "refunds": SimRefund,
    "balance": SimBalanceTransaction,
    "disputes": SimDispute,
    "reviews": SimReview,
    "warnings": SimWarning,
    "payouts": SimPayout,
    "setups": SimSetupIntent,
    "subscriptions": SimSubscription,
    "invoices": SimInvoice,
    "endpoints": SimEndpoint,
    "clocks": SimTestClock,
}
"""The tables of `State` that are kept, by attribute, and what their rows are."""

KEYS: Final = "keys"
"""Where an account's idempotency keys stand in the JSON, beside its tables."""

_KINDS: Final[Mapping[str, type]] = {**TABLES, KEYS: Remembered, "events": SimEvent}
_ROW: Final[Mapping[str, TypeAdapter[Any]]] = {
    name: TypeAdapter(kind) for name, kind in _KINDS.items()
}
_ROWS: Final[Mapping[str, TypeAdapter[Any]]] = {
    name: TypeAdapter(dict[str, kind])  # type: ignore[valid-type]
    for name, kind in _KINDS.items()
}
_COUNTERS: Final = TypeAdapter(dict[str, int])


def pack(shared: Shared, accounts: Mapping[str, Account]) -> Json:
    """Return the memory as JSON. Keys of running requests are left out."""
    return {
        "tag": shared.tag,
        "counters": dict(shared.counters),
        "events": _packed("events", shared.events),
        "accounts": {name: _account(account) for name, account in accounts.items()},
    }


def unpack(packed: Json, shared: Shared) -> dict[str, Account]:
    """Return the accounts in `packed`; raises `ValueError` if it is not a memory."""
    tag, accounts = packed.get("tag"), packed.get("accounts")
    if not isinstance(tag, str) or not isinstance(accounts, dict):
        raise ValueError("not the memory of a simulated provider")
    events = _ROWS["events"].validate_python(packed.get("events"))
    counters = _COUNTERS.validate_python(packed.get("counters"))
    found = {name: _unpacked(shared, name, row) for name, row in accounts.items()}
    shared.tag, shared.events = tag, events
    shared.counters = Counter(counters)
    return found


def pack_row(table: str, row: object) -> bytes | None:
    """Return one row as JSON text; None for the key of a running request."""
    if isinstance(row, Remembered) and row.reply is None:
        return None
    return _ROW[table].dump_json(row)


def _account(account: Account) -> Json:
    settled = {
        key: row
        for key, row in account.keys.remembered.items()
        if row.reply is not None
    }
    packed: Json = {name: _packed(name, _table(account, name)) for name in TABLES}
    return packed | {KEYS: _packed(KEYS, settled)}


def _unpacked(shared: Shared, name: str, packed: Json) -> Account:
    """Return an account; a table that an older dump does not know is empty."""
    account = Account(State(shared, name))
    for table in TABLES:
        _table(account, table).update(_rows(packed, table))
    account.keys.remembered.update(_rows(packed, KEYS))
    return account


def _table(account: Account, name: str) -> dict[str, Any]:
    table: dict[str, Any] = getattr(account.state, name)
    return table


def _packed(name: str, rows: Mapping[str, object]) -> Json:
    packed: Json = _ROWS[name].dump_python(rows, mode="json")
    return packed


def _rows(packed: Json, name: str) -> dict[str, Any]:
    rows: dict[str, Any] = _ROWS[name].validate_python(packed.get(name, {}))
    return rows
