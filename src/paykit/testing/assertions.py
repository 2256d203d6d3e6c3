"""
What must hold after any test, whatever went wrong in it.

The failure messages name the payment and what was done to it under which idempotency
keys, because that is the first question: one key used twice, or two keys?
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, Protocol, TypeAlias

from sqlalchemy import Engine

from paykit.store import ledger
from paykit.store.balances import AccountBalance
from paykit.testing.simulated import Effects, SimulatedProvider

__all__ = ["assert_books_balance", "assert_no_double_charge"]

_PAYMENT: Final = "paykit_payment_id"
"""The PSP's metadata that says which of paykit's payments an object belongs to."""


class _HasProvider(Protocol):
    """The local Stripe server and the simulated adapter: a provider is behind them."""

    @property
    def sim(self) -> SimulatedProvider: ...


_Provider: TypeAlias = SimulatedProvider | _HasProvider


def assert_no_double_charge(
    provider: _Provider, *, metadata_key: str = _PAYMENT
) -> None:
    """
    Check what really happened: nobody paid twice, and nobody got back too much.

    At most one charge may have succeeded for each value of `metadata_key`, which is
    paykit's payment unless told otherwise; a host that puts its order's number into the
    metadata passes that key. Refunds may not exceed what was captured. Raises
    `AssertionError` with the payments, their charges and the idempotency keys.
    """
    sim = _sim(provider)
    effects = sim.effects()
    wrong = [*_charged_twice(sim, effects, metadata_key), *_over_refunded(sim, effects)]
    assert not wrong, "\n".join(wrong)


def assert_books_balance(engine: Engine, provider: _Provider | None = None) -> None:
    """
    Check paykit's ledger, and with `provider` that it agrees with the PSP's balance.

    The transfers of each currency come to zero and the audit finds nothing. The PSP's
    balance counts its fees, so webhooks have to be delivered and the worker has to have
    done its work before. Raises `AssertionError` with every account that is off.
    """
    with engine.connect() as connection:
        wrong = [str(finding) for finding in ledger.audit(connection)]
        accounts = ledger.trial_balance(connection)
    wrong += _unbalanced(accounts)
    if provider is not None:
        wrong += _other_than(_sim(provider).effects(), accounts)
    assert not wrong, "\n".join(wrong)


def _sim(provider: _Provider) -> SimulatedProvider:
    return provider if isinstance(provider, SimulatedProvider) else provider.sim


def _charged_twice(
    sim: SimulatedProvider, effects: Effects, metadata_key: str
) -> Iterator[str]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for intent in effects.charges:
        name = sim.intent(intent).metadata.get(metadata_key, intent)
        groups[name].append(intent)
    for name, intents in groups.items():
        charges = sum(effects.charges[intent] for intent in intents)
        if charges > 1:
            told = chain.from_iterable(_history(sim, intent) for intent in intents)
            yield f"{name} was charged {charges} times:\n" + "\n".join(told)


def _over_refunded(sim: SimulatedProvider, effects: Effects) -> Iterator[str]:
    for intent, refunded in effects.refunded.items():
        if refunded > effects.captured[intent]:
            ours = sim.intent(intent).metadata.get(_PAYMENT, intent)
            told = "\n".join(_history(sim, intent))
            captured = effects.captured[intent]
            yield f"{ours}: {refunded} refunded of {captured} captured:\n{told}"


def _history(sim: SimulatedProvider, intent: str) -> Iterator[str]:
    """Return a line for each charge and refund of a payment, with its key."""
    for event in sim.events():
        thing = event.object
        kind = thing.get("object")
        if kind in ("charge", "refund") and thing.get("payment_intent") == intent:
            what = f"{thing['id']} {thing['amount']} {thing['currency']}"
            key = event.idempotency_key or "without a key"
            yield f"  {intent} {event.type}: {what}, key {key}"


def _unbalanced(accounts: Sequence[AccountBalance]) -> Iterator[str]:
    sums: Counter[str] = Counter()
    for account in accounts:
        sums[account.currency] += account.debits - account.credits
    for currency, rest in sums.items():
        if rest:
            yield f"{currency}: debits and credits differ by {rest}"


def _other_than(effects: Effects, accounts: Sequence[AccountBalance]) -> Iterator[str]:
    ours: Counter[str] = Counter()
    for account in accounts:
        if account.code == "psp_balance":
            ours[account.currency] += account.net
    for currency in sorted({*effects.balance, *ours}):
        theirs = effects.balance.get(currency, 0)
        if theirs != ours[currency]:
            yield f"{currency}: {theirs} at the PSP, {ours[currency]} in the ledger"
