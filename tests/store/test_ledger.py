"""The books: each fact once, corrections by mirrors, balances that add up."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine

from paykit.errors import LedgerConflict, NotAllowed, NotFound
from paykit.store.ledger import (
    Account,
    AccountCode,
    Posting,
    PostingKind,
    audit,
    balance,
    transfers_of,
    trial_balance,
)
from tests.databases import Database
from tests.store.books import open_books, post, posting, reverse

CAPTURE, FEE, REFUND = PostingKind.CAPTURE, PostingKind.FEE, PostingKind.REFUND


@pytest.fixture
def engine(installed: Database) -> Engine:
    return installed.engine()


@pytest.fixture
def books(engine: Engine) -> Iterator[Connection]:
    """Books in a transaction; what a test leaves in them adds up."""
    with open_books(engine) as books:
        yield books
        assert audit(books) == []


def amounts(books: Connection, merchant: str = "shop") -> dict[str, int]:
    """Return the balances by code and currency, each on its normal side."""
    return {
        f"{row.code} {row.currency}": row.net for row in trial_balance(books, merchant)
    }


@pytest.mark.parametrize(
    ("kind", "debited", "credited"),
    [
        (PostingKind.CAPTURE, "psp_balance", "sales"),
        (PostingKind.FEE, "psp_fees", "psp_balance"),
        (PostingKind.FEE_REFUND, "psp_balance", "psp_fees"),
        (PostingKind.REFUND, "refunds", "psp_balance"),
        (PostingKind.REFUND_FAILURE, "psp_balance", "refunds"),
        (PostingKind.CHARGE_FAILURE, "sales", "psp_balance"),
    ],
)
def test_each_kind_moves_between_its_accounts(
    books: Connection, kind: PostingKind, debited: str, credited: str
) -> None:
    assert post(books, [posting(kind, "fact", 700)]) == 1
    rows = {row.code: (row.debits, row.credits) for row in trial_balance(books)}
    assert rows == {debited: (700, 0), credited: (0, 700)}


def test_balances_are_positive_on_their_normal_side(books: Connection) -> None:
    post(
        books,
        [
            posting(CAPTURE, "charge", 1000),
            posting(FEE, "balance", 30),
            posting(REFUND, "refund", 400),
        ],
    )
    assert amounts(books) == {
        "psp_balance eur": 570,
        "sales eur": 1000,
        "psp_fees eur": 30,
        "refunds eur": 400,
    }


def test_a_replay_posts_nothing(books: Connection) -> None:
    both = [posting(CAPTURE, "charge"), posting(FEE, "balance", 30)]
    assert post(books, both) == 2
    assert post(books, both) == 0
    assert len(transfers_of(books, "pay_1")) == 2


def test_a_replay_in_another_transaction_posts_nothing(engine: Engine) -> None:
    for expected in (1, 0):
        with open_books(engine) as books:
            assert post(books, [posting(CAPTURE, "charge")]) == expected


def test_a_replay_with_news_posts_the_news(books: Connection) -> None:
    post(books, [posting(CAPTURE, "charge")])
    both = [posting(FEE, "balance", 30), posting(CAPTURE, "charge")]
    assert post(books, both) == 1
    assert amounts(books)["psp_balance eur"] == 970


def test_the_same_fact_twice_in_one_call_is_posted_once(books: Connection) -> None:
    assert post(books, [posting(CAPTURE, "charge")] * 2) == 1


def test_one_fact_may_have_several_kinds(books: Connection) -> None:
    fact = "charge"
    assert post(books, [posting(CAPTURE, fact), posting(FEE, fact, 30)]) == 2


def test_a_replay_at_another_time_is_the_same_fact_and_the_first_time_stands(
    books: Connection,
) -> None:
    post(books, [posting(CAPTURE, "charge")])
    late = posting(CAPTURE, "charge", late=timedelta(seconds=3))
    assert post(books, [late]) == 0
    (transfer,) = transfers_of(books, "pay_1")
    assert transfer.effective_at == late.effective_at - timedelta(seconds=3)


@pytest.mark.parametrize(
    "other",
    [
        posting(CAPTURE, "charge", 999),
        posting(CAPTURE, "charge", currency="usd"),
        posting(CAPTURE, "charge", merchant="inn"),
    ],
    ids=["amount", "currency", "merchant"],
)
def test_a_replay_with_other_fields_is_a_conflict(
    books: Connection, other: Posting
) -> None:
    post(books, [posting(CAPTURE, "charge")])
    with pytest.raises(LedgerConflict, match="charge"):
        post(books, [other])
    assert amounts(books) == {"psp_balance eur": 1000, "sales eur": 1000}


def test_two_versions_of_a_fact_in_one_call_are_a_conflict(books: Connection) -> None:
    with pytest.raises(LedgerConflict):
        post(books, [posting(CAPTURE, "charge"), posting(CAPTURE, "charge", 999)])


def test_after_a_conflict_the_other_facts_can_still_be_posted(
    books: Connection,
) -> None:
    # A key without its transfer would swallow the fee for good.
    post(books, [posting(CAPTURE, "charge")])
    fee = posting(FEE, "balance", 30)
    with pytest.raises(LedgerConflict):
        post(books, [posting(CAPTURE, "charge", 999), fee])
    post(books, [fee])
    assert amounts(books)["psp_fees eur"] == 30


def test_an_amount_of_zero_is_not_posted(books: Connection) -> None:
    assert post(books, [posting(FEE, "balance", 0)]) == 0
    assert trial_balance(books) == []


def test_nothing_is_posted_for_nothing(books: Connection) -> None:
    assert post(books, []) == 0


def test_post_leaves_the_commit_to_its_caller(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), open_books(engine) as books:  # noqa: PT012
        post(books, [posting(CAPTURE, "charge")])
        raise ZeroDivisionError
    with open_books(engine) as books:
        assert trial_balance(books) == []


def test_the_largest_amounts_are_kept_exactly(books: Connection) -> None:
    largest = 2**63 - 1
    post(books, [posting(CAPTURE, "charge", largest)])
    assert amounts(books) == {"psp_balance eur": largest, "sales eur": largest}


def test_a_set_of_many_is_posted_at_once(books: Connection) -> None:
    many = [posting(CAPTURE, f"charge {n}", 1 + n) for n in range(1500)]
    assert post(books, many) == 1500
    assert post(books, many) == 0
    assert amounts(books)["sales eur"] == sum(range(1501))


def test_transfers_of_a_payment_come_in_the_order_of_their_ids(
    books: Connection,
) -> None:
    post(books, [posting(CAPTURE, "b"), posting(CAPTURE, "other", payment="pay_2")])
    post(books, [posting(REFUND, "a", 300)])
    transfers = transfers_of(books, "pay_1")
    assert [transfer.fact_key for transfer in transfers] == ["b", "a"]
    assert [transfer.amount.minor for transfer in transfers] == [1000, 300]
    assert sorted(transfer.id for transfer in transfers) == [t.id for t in transfers]


def test_a_trial_balance_adds_up_in_every_currency(books: Connection) -> None:
    post(
        books,
        [
            posting(CAPTURE, "charge", 1000),
            posting(FEE, "fee", 30),
            posting(CAPTURE, "charge usd", 500, "usd"),
            posting(REFUND, "refund usd", 200, "usd", merchant="inn"),
        ],
    )
    net: Counter[tuple[str, str]] = Counter()
    for row in trial_balance(books):
        net[row.merchant_id, row.currency] += row.debits - row.credits
    assert net == {("shop", "eur"): 0, ("shop", "usd"): 0, ("inn", "usd"): 0}


def test_a_trial_balance_of_a_merchant_shows_no_other(books: Connection) -> None:
    post(books, [posting(CAPTURE, "1"), posting(CAPTURE, "2", merchant="inn")])
    merchants = {row.merchant_id for row in trial_balance(books, "inn")}
    assert merchants == {"inn"}


def test_one_account_can_be_read(books: Connection) -> None:
    post(books, [posting(CAPTURE, "charge"), posting(FEE, "fee", 30)])
    held = balance(books, Account("shop", AccountCode.PSP_BALANCE, "eur"))
    assert (held.debits, held.credits, held.net) == (1000, 30, 970)


def test_an_account_that_was_never_posted_to_is_at_zero(books: Connection) -> None:
    empty = balance(books, Account("shop", AccountCode.SALES, "eur"))
    assert (empty.debits, empty.credits, empty.net, empty.normal) == (0, 0, 0, "C")


def posted_journal(books: Connection) -> uuid.UUID:
    """Post a sale with its fee as one journal entry; return its id."""
    post(books, [posting(CAPTURE, "charge"), posting(FEE, "charge", 30)])
    (journal,) = {transfer.journal_id for transfer in transfers_of(books, "pay_1")}
    return journal


def test_a_reversal_takes_a_whole_journal_back(books: Connection) -> None:
    journal = posted_journal(books)
    assert reverse(books, journal) == 2
    assert set(amounts(books).values()) == {0}
    mirrors = [one for one in transfers_of(books, "pay_1") if one.reverses]
    originals = [one for one in transfers_of(books, "pay_1") if not one.reverses]
    assert {one.reverses for one in mirrors} == {one.id for one in originals}
    assert {one.kind for one in mirrors} == {"capture_reversal", "fee_reversal"}


def test_a_second_reversal_posts_nothing(books: Connection) -> None:
    journal = posted_journal(books)
    reverse(books, journal)
    assert reverse(books, journal) == 0
    assert set(amounts(books).values()) == {0}


def test_a_reversal_cannot_be_reversed(books: Connection) -> None:
    reverse(books, posted_journal(books))
    mirror = transfers_of(books, "pay_1")[-1]
    with pytest.raises(NotAllowed):
        reverse(books, mirror.journal_id)


def test_a_reversal_is_dated_by_itself(books: Connection) -> None:
    reverse(books, posted_journal(books))
    original, *_, mirror = transfers_of(books, "pay_1")
    assert mirror.effective_at > original.effective_at


def test_a_journal_that_is_not_there_cannot_be_reversed(books: Connection) -> None:
    with pytest.raises(NotFound):
        reverse(books, uuid.UUID(int=1))


def test_a_fact_that_was_reversed_stays_posted(books: Connection) -> None:
    reverse(books, posted_journal(books))
    assert post(books, [posting(CAPTURE, "charge")]) == 0
