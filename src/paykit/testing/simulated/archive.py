"""The provider's memory as JSON, so that it can outlive a process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from paykit.testing.simulated.admission import Account
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

__all__ = ["pack", "unpack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    intents: dict[str, SimIntent]
    charges: dict[str, SimCharge]
    refunds: dict[str, SimRefund]
    balance: dict[str, SimBalanceTransaction]
    keys: dict[str, Remembered]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Archive:
    tag: str
    counters: dict[str, int]
    events: dict[str, SimEvent]
    accounts: dict[str, _Account]


_ADAPTER = TypeAdapter(_Archive)


def pack(shared: Shared, accounts: Mapping[str, Account]) -> Json:
    """Return the memory as JSON. Keys of running requests are left out."""
    archive = _Archive(
        tag=shared.tag,
        counters=dict(shared.counters),
        events=shared.events,
        accounts={name: _packed(account) for name, account in accounts.items()},
    )
    packed: Json = _ADAPTER.dump_python(archive, mode="json")
    return packed


def unpack(packed: Json, shared: Shared) -> dict[str, Account]:
    """Return the accounts in `packed`; raises `ValueError` if it is not a memory."""
    archive = _ADAPTER.validate_python(packed)
    shared.tag = archive.tag
    shared.counters = Counter(archive.counters)
    shared.events = archive.events
    accounts = archive.accounts.items()
    return {name: _unpacked(shared, name, row) for name, row in accounts}


def _packed(account: Account) -> _Account:
    state, keys = account.state, account.keys.remembered
    return _Account(
        intents=state.intents,
        charges=state.charges,
        refunds=state.refunds,
        balance=state.balance,
        keys={key: row for key, row in keys.items() if row.reply is not None},
    )


def _unpacked(shared: Shared, name: str, row: _Account) -> Account:
    account = Account(State(shared, name))
    state = account.state
    state.intents, state.charges = row.intents, row.charges
    state.refunds, state.balance = row.refunds, row.balance
    account.keys.remembered = row.keys
    return account
