"""
SQL by hand against the ledger: what is refused, on every database.

Each attack changes one thing in an otherwise proper piece of SQL, so that only the
guard it is about can refuse it; that proper piece passes as well, and stands first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pytest
from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from paykit.store.ledger import PostingKind, audit, trial_balance
from paykit.store.schema import (
    ledger_account,
    ledger_balance,
    ledger_key,
    ledger_transfer,
)
from paykit.store.sqlite import immediate
from tests.databases import KINDS, Database, Kind
from tests.store.books import post, posting

CAPTURE: Final = PostingKind.CAPTURE

T: Final = ledger_transfer.name
K: Final = ledger_key.name
A: Final = ledger_account.name
B: Final = ledger_balance.name

SALE: Final = f"SELECT id FROM {T} WHERE kind = 'capture' AND merchant_id = 'shop'"
SALE_EUR: Final = f"({SALE} AND currency = 'eur')"
SALE_USD: Final = f"({SALE} AND currency = 'usd')"
FRESH: Final = "1000001"

FEES: Final = "shop:psp_fees:eur"  # of the newest transfer, of 30
OTHER: Final = "inn:sales:eur"  # not of the newest transfer
SEEN: Final = f"last_transfer_id = (SELECT max(id) FROM {T})"


@dataclass(frozen=True)
class Attack:
    """SQL of which the last statement must be refused and the others must pass."""

    name: str
    statements: tuple[str, ...]
    on: tuple[Kind, ...] = field(default=KINDS)


def copied(table: Table, where: str, verb: str = "INSERT", **changes: str) -> str:
    """Return SQL that inserts a copy of a row, with some columns changed."""
    names = [column.name for column in table.columns]
    values = [changes.get(name, name) for name in names]
    return (
        f"{verb} INTO {table.name} ({', '.join(names)}) "
        f"SELECT {', '.join(values)} FROM {table.name} WHERE {where}"
    )


def key(fact: str = "'by hand'", **changes: str) -> str:
    """Return SQL for a key that names the transfer that is about to be written."""
    changes = {"fact_key": fact, "transfer_id": FRESH} | changes
    return copied(ledger_key, f"transfer_id = {SALE_EUR}", **changes)


def transfer(verb: str = "INSERT", of: str = SALE_EUR, **changes: str) -> str:
    """Return SQL for a second transfer like the sale, for another fact."""
    changes = {"id": FRESH, "fact_key": "'by hand'"} | changes
    return copied(ledger_transfer, f"id = {of}", verb, **changes)


REVERSAL_KEY: Final = copied(
    ledger_key,
    f"transfer_id = {SALE_EUR}",
    kind="'capture_reversal'",
    transfer_id=FRESH,
)


def mirror(**changes: str) -> str:
    """Return SQL for the proper reversal of the sale, but for `changes`."""
    proper = {
        "id": FRESH,
        "kind": "'capture_reversal'",
        "debit_id": "credit_id",
        "credit_id": "debit_id",
        "reverses": "id",
    }
    return copied(ledger_transfer, f"id = {SALE_EUR}", **(proper | changes))


PROPER: Final[Mapping[str, tuple[str, ...]]] = {
    "a transfer with its key": (key(), transfer()),
    "a reversal with its key": (REVERSAL_KEY, mirror()),
}

TRANSFERS: Final = (
    Attack("change an amount", (f"UPDATE {T} SET amount = amount + 1",)),
    Attack("change nothing", (f"UPDATE {T} SET amount = amount WHERE 1 = 1",)),
    Attack("link to another payment", (f"UPDATE {T} SET payment_id = 'pay_2'",)),
    Attack("delete one", (f"DELETE FROM {T} WHERE id = {SALE_EUR}",)),
    Attack("delete all", (f"DELETE FROM {T}",)),
    Attack("truncate", (f"TRUNCATE {T}",), on=("postgresql",)),
    Attack("truncate through accounts", (f"TRUNCATE {A} CASCADE",), on=("postgresql",)),
    Attack(
        "change in passing",
        (
            transfer(id="id", fact_key="fact_key")
            + " ON CONFLICT (id) DO UPDATE SET amount = 1",
        ),
    ),
    Attack(
        "merge",
        (
            f"MERGE INTO {T} t USING (SELECT 1) one ON t.amount > 0 "
            f"WHEN MATCHED THEN UPDATE SET amount = 1",
        ),
        on=("postgresql",),
    ),
    Attack(
        "change as replica",
        ("SET LOCAL session_replication_role = replica", f"UPDATE {T} SET amount = 1"),
        on=("postgresql",),
    ),
    Attack(
        "replace by id",
        (transfer("INSERT OR REPLACE", id="id", fact_key="fact_key", amount="1"),),
        on=("sqlite",),
    ),
    Attack(
        # Its balances would not notice: these accounts have not counted this id.
        "replace the newest between other accounts",
        (
            transfer(
                "INSERT OR REPLACE",
                of=f"(SELECT max(id) FROM {T})",
                id="id",
                fact_key="fact_key",
                debit_id="'shop:sales:usd'",
                credit_id="'shop:psp_balance:usd'",
                currency="'usd'",
            ),
        ),
        on=("sqlite",),
    ),
    Attack(
        "replace by rowid",
        (
            f"INSERT OR REPLACE INTO {T} (rowid, fact_key) "
            f"SELECT rowid, fact_key FROM {T}",
        ),
        on=("sqlite",),
    ),
    Attack("nothing", (key(), transfer(amount="0"))),
    Attack("less than nothing", (key(), transfer(amount="-1"))),
    Attack("half a cent", (key(), transfer(amount="1.5")), on=("sqlite",)),
    Attack(
        "no number",
        (key(), transfer(amount="'1,5'")),
    ),
    Attack("more than 64 bits", (key(), transfer(amount="9223372036854775807"))),
    Attack("to itself", (key(), transfer(credit_id="debit_id"))),
    Attack(
        "into another currency", (key(), transfer(debit_id="'shop:psp_balance:usd'"))
    ),
    Attack("from another currency", (key(), transfer(credit_id="'shop:sales:usd'"))),
    Attack("in a currency of neither", (key(), transfer(currency="'usd'"))),
    Attack("to another merchant", (key(), transfer(debit_id="'inn:psp_balance:eur'"))),
    Attack("for another merchant", (key(), transfer(merchant_id="'inn'"))),
    Attack("to no account", (key(), transfer(debit_id="'shop:piggy_bank:eur'"))),
    Attack("the same fact again", (transfer(fact_key="fact_key"),)),
    Attack("without a key", (transfer(),)),
    Attack("numbered zero", (key(transfer_id="0"), transfer(id="0"))),
    Attack("numbered below", (key(transfer_id="-5"), transfer(id="-5"))),
    Attack("with the key of another", (key(transfer_id="1000002"), transfer())),
)

REVERSALS: Final = (
    Attack("part of it", (REVERSAL_KEY, mirror(amount="amount - 1"))),
    Attack(
        "in the same direction",
        (REVERSAL_KEY, mirror(debit_id="debit_id", credit_id="credit_id")),
    ),
    Attack("of another transfer", (REVERSAL_KEY, mirror(reverses=SALE_USD))),
    Attack("of none", (REVERSAL_KEY, mirror(reverses="1000003"))),
    Attack("twice", (REVERSAL_KEY, mirror(), mirror(id="1000004"))),
    Attack(
        "from another account",
        (REVERSAL_KEY, mirror(debit_id="'shop:psp_fees:eur'")),
    ),
    Attack(
        "to another account",
        (REVERSAL_KEY, mirror(credit_id="'shop:psp_fees:eur'")),
    ),
    Attack(
        "under another kind",
        (key("'eur'", kind="'sale_reversal'"), mirror(kind="'sale_reversal'")),
    ),
    Attack(
        "twice, for another fact",
        (
            REVERSAL_KEY,
            mirror(),
            key(kind="'capture_reversal'", transfer_id="1000004"),
            mirror(id="1000004", fact_key="'by hand'"),
        ),
    ),
    Attack(
        "of a reversal",
        (
            REVERSAL_KEY,
            mirror(),
            key("'eur'", kind="'capture_reversal_reversal'", transfer_id="1000004"),
            mirror(
                id="1000004",
                kind="'capture_reversal_reversal'",
                debit_id="debit_id",
                credit_id="credit_id",
                reverses=FRESH,
            ),
        ),
    ),
    Attack(
        "of nothing, in name",
        (REVERSAL_KEY, mirror(reverses="NULL")),
    ),
)

KEYS: Final = (
    Attack("change", (f"UPDATE {K} SET digest = 'x'",)),
    Attack("delete", (f"DELETE FROM {K}",)),
    Attack("truncate", (f"TRUNCATE {K}",), on=("postgresql",)),
    Attack(
        "replace",
        (copied(ledger_key, "1 = 1", "INSERT OR REPLACE", digest="'x'"),),
        on=("sqlite",),
    ),
)

ACCOUNTS: Final = (
    Attack("change", (f"UPDATE {A} SET stripes = 2",)),
    Attack("delete", (f"DELETE FROM {A}",)),
    Attack(
        "replace",
        (copied(ledger_account, "1 = 1", "INSERT OR REPLACE", normal="'C'"),),
        on=("sqlite",),
    ),
    Attack("misname", (copied(ledger_account, "1 = 1", id="'x' || id"),)),
    Attack(
        "take another merchant's name",  # of cash of the merchant shop:petty
        (
            f"INSERT INTO {A} (id, merchant_id, code, currency, normal, stripes) "
            f"VALUES ('shop:petty:cash:eur', 'shop', 'petty:cash', 'eur', 'D', 1)",
        ),
    ),
    *(
        Attack(
            name,
            (
                f"INSERT INTO {A} (id, merchant_id, code, currency, normal, stripes) "
                f"VALUES ('shop:{code}:eur', 'shop', '{code}', 'eur', "
                f"'{normal}', {stripes})",
            ),
        )
        for name, code, normal, stripes in (
            ("grow on no side", "cash", "X", 1),
            ("no stripe", "cash", "D", 0),
            ("too many stripes", "cash", "D", 65),
            ("two ways to read the name", "cash:box", "D", 1),
        )
    ),
)

BALANCES: Final = (
    Attack("raise", (f"UPDATE {B} SET debits = debits + 1",)),
    Attack("lower", (f"UPDATE {B} SET debits = debits - 1 WHERE debits > 0",)),
    Attack("move", (f"UPDATE {B} SET stripe = stripe + 1",)),
    Attack("delete", (f"DELETE FROM {B}",)),
    Attack("truncate", (f"TRUNCATE {B}",), on=("postgresql",)),
    Attack(
        "count the newest twice",
        (f"UPDATE {B} SET debits = debits + 30 WHERE account_id = '{FEES}'",),
    ),
    Attack(
        "count the newest twice, and say so",
        (f"UPDATE {B} SET debits = debits + 30, {SEEN} WHERE account_id = '{FEES}'",),
    ),
    Attack(
        "claim to have counted what is to come",
        (f"UPDATE {B} SET last_transfer_id = 99 WHERE account_id = '{OTHER}'",),
    ),
    Attack(
        "move to another stripe",
        (f"UPDATE {B} SET stripe = 1, {SEEN} WHERE account_id = '{OTHER}'",),
    ),
    Attack(
        "begin again",
        (
            copied(
                ledger_balance,
                "1 = 1",
                "INSERT OR REPLACE",
                debits="0",
                credits="0",
                last_transfer_id="0",
            ),
        ),
        on=("sqlite",),
    ),
    Attack("add a stripe", (copied(ledger_balance, "1 = 1", stripe="17 + stripe"),)),
    Attack(
        "replace",
        (copied(ledger_balance, "1 = 1", "INSERT OR REPLACE", debits="0"),),
        on=("sqlite",),
    ),
)


def attacks(*them: Attack) -> pytest.MarkDecorator:
    """Run the test for each attack on each database where it can be tried."""
    return pytest.mark.parametrize(
        ("installed", "attack"),
        [
            pytest.param(kind, attack, id=f"{attack.name}-{kind}")
            for attack in them
            for kind in attack.on
        ],
        indirect=["installed"],
    )


@attacks(*TRANSFERS)
def test_a_transfer_is_posted_once_in_balance_and_stays(
    installed: Database, attack: Attack
) -> None:
    assert_harmless(installed, attack)


@attacks(*REVERSALS)
def test_a_reversal_is_the_one_mirror_of_a_transfer(
    installed: Database, attack: Attack
) -> None:
    assert_harmless(installed, attack)


@attacks(*KEYS)
def test_a_key_stays(installed: Database, attack: Attack) -> None:
    assert_harmless(installed, attack)


@attacks(*ACCOUNTS)
def test_an_account_is_what_its_name_says_and_stays(
    installed: Database, attack: Attack
) -> None:
    assert_harmless(installed, attack)


@attacks(*BALANCES)
def test_a_balance_is_kept_by_the_transfers_alone(
    installed: Database, attack: Attack
) -> None:
    assert_harmless(installed, attack)


@pytest.mark.parametrize("proper", PROPER)
def test_proper_sql_by_hand_passes_and_is_counted(
    installed: Database, proper: str
) -> None:
    with posted(installed) as connection:
        before = sum(row.debits for row in trial_balance(connection))
        for statement in PROPER[proper]:
            assert connection.execute(text(statement)).rowcount == 1
        after = sum(row.debits for row in trial_balance(connection))
        assert after == before + 1000
        assert audit(connection) == []


@pytest.mark.parametrize("installed", ["sqlite"], indirect=True)
@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "INSERT OR IGNORE"])
def test_the_manner_of_an_insert_does_not_reach_the_balances(
    installed: Database, verb: str
) -> None:
    with posted(installed) as connection:
        connection.execute(text(key()))
        connection.execute(text(transfer(verb)))
        assert audit(connection) == []


@pytest.mark.parametrize("installed", ["sqlite"], indirect=True)
def test_a_balance_beyond_64_bits_is_refused_in_every_manner(
    installed: Database,
) -> None:
    with posted(installed) as connection:
        connection.execute(text(key()))
        huge = transfer("INSERT OR IGNORE", amount="9223372036854775807")
        with pytest.raises(DBAPIError):
            connection.execute(text(huge))


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_the_application_needs_no_right_to_write_balances(installed: Database) -> None:
    with posted(installed) as connection:
        connection.execute(text("CREATE ROLE paykit_test_application"))
        for grant in (f"SELECT, INSERT ON {A}, {K}, {T}", f"SELECT ON {B}"):
            connection.execute(text(f"GRANT {grant} TO paykit_test_application"))
        connection.execute(text("SET LOCAL ROLE paykit_test_application"))
        for statement in PROPER["a transfer with its key"]:
            connection.execute(text(statement))
        assert audit(connection) == []
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text(f"UPDATE {B} SET debits = 0"))
        # The role goes away with the transaction.


def assert_harmless(installed: Database, attack: Attack) -> None:
    """Run the attack; its last statement must fail, or on SQLite change nothing."""
    with posted(installed) as connection:
        *before, last = attack.statements
        for statement in before:
            connection.execute(text(statement))
        standing = everything(connection)
        savepoint = connection.begin_nested()
        try:
            connection.execute(text(last))
        except DBAPIError:
            savepoint.rollback()
        else:
            assert installed.kind == "sqlite", "PostgreSQL refuses aloud"
            assert "REPLACE" in last, "only REPLACE may be passed over in silence"
        assert everything(connection) == standing


def everything(connection: Connection) -> list[list[tuple[object, ...]]]:
    """Return all rows of the ledger."""
    return [
        sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
        for table in (ledger_account, ledger_key, ledger_transfer, ledger_balance)
    ]


@contextmanager
def posted(installed: Database) -> Iterator[Connection]:
    """Two merchants' books, in a transaction that is undone."""
    with immediate(installed.engine()).connect() as connection:
        sales = [posting(CAPTURE, f"{cents}", 1000, cents) for cents in ("eur", "usd")]
        post(connection, sales)
        post(connection, [posting(CAPTURE, "inn", merchant="inn")])
        post(connection, [posting(PostingKind.FEE, "fee", 30)])
        yield connection
        connection.rollback()
