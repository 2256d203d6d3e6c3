"""Any series of postings and reversals, against a ledger made of dictionaries."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from paykit.errors import LedgerConflict
from paykit.store.ledger import (
    Posting,
    PostingKind,
    audit,
    transfers_of,
    trial_balance,
)
from tests.databases import Database
from tests.store.books import open_books, post, posting, reverse

SIDES = {
    "capture": ("psp_balance", "sales"),
    "fee": ("psp_fees", "psp_balance"),
    "fee_refund": ("psp_balance", "psp_fees"),
    "refund": ("refunds", "psp_balance"),
    "refund_failure": ("psp_balance", "refunds"),
    "charge_failure": ("sales", "psp_balance"),
    "dispute": ("disputes", "psp_balance"),
    "dispute_fee": ("psp_fees", "psp_balance"),
    "dispute_fee_refund": ("psp_balance", "psp_fees"),
    "dispute_reinstatement": ("psp_balance", "disputes"),
    "payout": ("payouts", "psp_balance"),
    "payout_failure": ("psp_balance", "payouts"),
    "payout_cancellation": ("psp_balance", "payouts"),
    "bank_debit": ("psp_balance", "payouts"),
    "bank_debit_return": ("payouts", "psp_balance"),
}

merchants = itertools.count(1)

# Few facts and amounts, so that replays and conflicts are common.
drafts = st.tuples(
    st.sampled_from(list(PostingKind)),
    st.sampled_from("abc"),
    st.sampled_from([0, 1, 2, 10**12]),
    st.sampled_from(["eur", "jpy"]),
)
steps = st.lists(
    st.one_of(st.lists(drafts, max_size=4), st.integers(0, 5)), max_size=12
)


@dataclass
class Model:
    """What the books must show."""

    facts: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    debits: Counter[str] = field(default_factory=Counter)
    credits: Counter[str] = field(default_factory=Counter)
    reversed: set[tuple[str, str]] = field(default_factory=set)

    def post(self, postings: list[Posting]) -> bool:
        """Take the new facts; return whether all the others agree."""
        agree = True
        for each in postings:
            key, amount = (each.fact_key, each.kind.value), each.amount
            said = (amount.minor, amount.currency)
            if amount.minor == 0:
                continue
            if key not in self.facts:
                self.facts[key] = said
                self._move(*SIDES[each.kind.value], *said)
            agree = agree and self.facts[key] == said
        return agree

    def reverse(self, keys: set[tuple[str, str]]) -> None:
        """Move what has not been moved back yet."""
        for key in keys - self.reversed:
            debit, credit = SIDES[key[1]]
            self._move(credit, debit, *self.facts[key])
            self.reversed.add(key)

    def _move(self, debit: str, credit: str, minor: int, currency: str) -> None:
        self.debits[f"{debit} {currency}"] += minor
        self.credits[f"{credit} {currency}"] += minor


@pytest.fixture
def engine(installed: Database) -> Engine:
    return installed.engine()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_the_books_show_what_a_simple_model_shows(
    engine: Engine, steps: list[list[tuple[PostingKind, str, int, str]] | int]
) -> None:
    merchant = f"shop{next(merchants)}"  # new books without a new database
    model = Model()
    with open_books(engine) as books:
        for step in steps:
            if isinstance(step, int):
                take_back(books, model, merchant, step)
            else:
                put(books, model, merchant, step)
            assert_alike(books, model, merchant)
        assert audit(books) == []


def put(
    books: Connection,
    model: Model,
    merchant: str,
    drafts: list[tuple[PostingKind, str, int, str]],
) -> None:
    """Post to both; they must agree on what was new and on conflicts."""
    postings = [
        posting(
            kind,
            f"{merchant} {fact}",
            minor,
            currency,
            merchant=merchant,
            payment=merchant,
        )
        for kind, fact, minor, currency in drafts
    ]
    before = len(model.facts)
    agree = model.post(postings)
    if agree:
        assert post(books, postings) == len(model.facts) - before
    else:
        with pytest.raises(LedgerConflict):
            post(books, postings)


def take_back(books: Connection, model: Model, merchant: str, which: int) -> None:
    """Reverse one of the entries in both, if there is one."""
    transfers = [one for one in transfers_of(books, merchant) if one.reverses is None]
    if not transfers:
        return
    journal = transfers[which % len(transfers)].journal_id
    keys = {(one.fact_key, one.kind) for one in transfers if one.journal_id == journal}
    assert reverse(books, journal) == len(keys - model.reversed)
    model.reverse(keys)


def assert_alike(books: Connection, model: Model, merchant: str) -> None:
    """Compare every account's both sides."""
    rows = trial_balance(books, merchant)
    debits = {f"{row.code} {row.currency}": row.debits for row in rows if row.debits}
    credits = {f"{row.code} {row.currency}": row.credits for row in rows if row.credits}
    assert (debits, credits) == (model.debits, model.credits)
