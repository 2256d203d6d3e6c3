"""
The ledger's rules as database triggers, and the counters they keep; text only.

PostgreSQL checks and counts once a statement, with transition tables; SQLite once a
row. Everything they look at is immutable (accounts, keys, earlier transfers), so no
check can be overtaken by another transaction.
"""

from __future__ import annotations

from typing import Final

__all__ = ["balance_guard", "transfer_guard"]

_ACCOUNT: Final = "paykit_ledger_account"
_BALANCE: Final = "paykit_ledger_balance"
_KEY: Final = "paykit_ledger_key"
_TRANSFER: Final = "paykit_ledger_transfer"


def _keyed(row: str) -> str:
    """Return SQL for: the key of `row` stands in the key table and names it."""
    return (
        f"EXISTS (SELECT 1 FROM {_KEY} k WHERE k.fact_key = {row}.fact_key "
        f"AND k.kind = {row}.kind AND k.transfer_id = {row}.id)"
    )


def _same_accounts(row: str) -> str:
    """Return SQL for: both accounts are of the merchant and currency of `row`."""
    return " AND ".join(
        f"EXISTS (SELECT 1 FROM {_ACCOUNT} a WHERE a.id = {row}.{side} "
        f"AND a.merchant_id = {row}.merchant_id AND a.currency = {row}.currency)"
        for side in ("debit_id", "credit_id")
    )


def _mirrors(row: str) -> str:
    """
    Return SQL for: `row` reverses nothing, or is the exact mirror of what it reverses.

    Its key follows from the original's, so that the key table refuses a second mirror.
    Merchant and currency follow from the accounts.
    A reversal cannot be reversed, and only a reversal may be named like one.
    """
    return (
        f"CASE WHEN {row}.reverses IS NULL "
        f"THEN replace({row}.kind, '_reversal', '') = {row}.kind ELSE "
        f"EXISTS (SELECT 1 FROM {_TRANSFER} o WHERE o.id = {row}.reverses "
        f"AND o.reverses IS NULL AND o.debit_id = {row}.credit_id "
        f"AND o.credit_id = {row}.debit_id AND o.amount = {row}.amount "
        f"AND o.fact_key = {row}.fact_key "
        f"AND o.kind || '_reversal' = {row}.kind) END"
    )


_RULES: Final = {
    "an account is not of its merchant and currency": _same_accounts,
    "no key names it": _keyed,
    "it is not the one mirror of what it reverses": _mirrors,
}

_HANDS_OFF: Final = f"{_BALANCE}: balances are kept by the ledger alone"


def transfer_guard() -> dict[str, tuple[str, ...]]:
    """Return, by dialect, what checks new transfers and adds them to the balances."""
    return {
        "sqlite": (
            # One trigger: the order in which several would fire is not defined.
            f"CREATE TRIGGER {_TRANSFER}_apply AFTER INSERT ON {_TRANSFER} BEGIN "
            + "".join(
                f"SELECT RAISE(ABORT, '{_TRANSFER}: {text}') WHERE NOT ({rule('NEW')});"
                for text, rule in _RULES.items()
            )
            + _sqlite_add("debit_id", "debits")
            + _sqlite_add("credit_id", "credits")
            + " END",
        ),
        "postgresql": (
            _postgresql_apply(),
            f"CREATE TRIGGER {_TRANSFER}_apply AFTER INSERT ON {_TRANSFER} "
            f"REFERENCING NEW TABLE AS posted "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {_TRANSFER}_apply()",
        ),
    }


def _sqlite_add(side: str, counter: str) -> str:
    """Return the statements that add one transfer to one side's balance."""
    return (
        f" INSERT INTO {_BALANCE} (account_id, stripe, debits, credits, "
        f"last_transfer_id) SELECT NEW.{side}, 0, 0, 0, 0 WHERE NOT EXISTS "
        f"(SELECT 1 FROM {_BALANCE} b WHERE b.account_id = NEW.{side});"
        f" UPDATE {_BALANCE} SET {counter} = {counter} + NEW.amount, "
        f"last_transfer_id = NEW.id WHERE account_id = NEW.{side} AND stripe = 0;"
    )


def _postgresql_apply() -> str:
    """
    Return the function that checks and counts the rows of one INSERT.

    Balance rows are locked in the order of their accounts, so that two statements never
    wait for each other. The accounts' own rule is a foreign key here. It runs with the
    rights of the tables' owner: the application's role needs no grant on the balances.
    """
    broken = " ".join(
        f"WHEN NOT {rule('p')} THEN '{text}'"
        for text, rule in _RULES.items()
        if rule is not _same_accounts
    )
    return (
        f"CREATE OR REPLACE FUNCTION {_TRANSFER}_apply() RETURNS trigger "
        f"LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$ "
        f"DECLARE broken text; BEGIN "
        f"SELECT max(CASE {broken} END) INTO broken FROM posted p; "
        f"IF broken IS NOT NULL THEN RAISE EXCEPTION USING "
        f"MESSAGE = '{_TRANSFER}: ' || broken, "
        f"ERRCODE = 'integrity_constraint_violation'; END IF; "
        f"INSERT INTO {_BALANCE} AS b "
        f"(account_id, stripe, debits, credits, last_transfer_id) "
        f"SELECT a.id, mod(pg_backend_pid(), a.stripes), "
        f"sum(side.debit), sum(side.credit), max(p.id) FROM posted p "
        f"CROSS JOIN LATERAL (VALUES (p.debit_id, p.amount, 0), "
        f"(p.credit_id, 0, p.amount)) AS side (account_id, debit, credit) "
        f"JOIN {_ACCOUNT} a ON a.id = side.account_id "
        f"GROUP BY a.id, a.stripes ORDER BY a.id "
        f"ON CONFLICT (account_id, stripe) DO UPDATE SET "
        f"debits = b.debits + excluded.debits, "
        f"credits = b.credits + excluded.credits, "
        f"last_transfer_id = greatest(b.last_transfer_id, excluded.last_transfer_id); "
        f"RETURN NULL; END $$"
    )


def balance_guard() -> dict[str, tuple[str, ...]]:
    """
    Return, by dialect, what refuses a balance written by hand.

    PostgreSQL knows that a write comes from no trigger. SQLite does not; there a row
    may only grow, by exactly the newest transfer, and only once, because the row keeps
    that transfer's id. The PostgreSQL trigger stays off for replication, which brings
    the balances and does not count transfers again.
    """
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_HANDS_OFF}'); END"
    function = f"{_BALANCE}_guard"
    return {
        "sqlite": (
            f"CREATE TRIGGER {_BALANCE}_starts BEFORE INSERT ON {_BALANCE} "
            f"WHEN NEW.stripe <> 0 OR NEW.debits <> 0 OR NEW.credits <> 0 "
            f"OR NEW.last_transfer_id <> 0 OR EXISTS (SELECT 1 FROM {_BALANCE} b "
            f"WHERE b.account_id = NEW.account_id AND b.stripe = NEW.stripe) {refuse}",
            f"CREATE TRIGGER {_BALANCE}_grows BEFORE UPDATE ON {_BALANCE} "
            f"WHEN NOT ({_grows_by_newest()}) {refuse}",
            f"CREATE TRIGGER {_BALANCE}_stays BEFORE DELETE ON {_BALANCE} {refuse}",
        ),
        "postgresql": (
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger "
            f"LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{_HANDS_OFF}' "
            f"USING ERRCODE = 'integrity_constraint_violation'; END $$",
            f"CREATE TRIGGER {function} BEFORE INSERT OR UPDATE OR DELETE "
            f"ON {_BALANCE} FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) "
            f"EXECUTE FUNCTION {function}()",
            f"CREATE TRIGGER {function}_truncate BEFORE TRUNCATE ON {_BALANCE} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
        ),
    }


def _grows_by_newest() -> str:
    """Return SQLite's condition: this update counts the newest transfer, once."""
    grown = " AND ".join(
        f"NEW.{counter} = OLD.{counter} + "
        f"CASE WHEN t.{side} = OLD.account_id THEN t.amount ELSE 0 END "
        # Above 64 bits a sum turns into a float. The CHECK for that does not hold in
        # a trigger that INSERT OR IGNORE has fired.
        f"AND typeof(NEW.{counter}) = 'integer'"
        for side, counter in (("debit_id", "debits"), ("credit_id", "credits"))
    )
    return (
        f"EXISTS (SELECT 1 FROM {_TRANSFER} t "
        f"WHERE t.id = (SELECT max(id) FROM {_TRANSFER}) "
        f"AND t.id = NEW.last_transfer_id AND t.id > OLD.last_transfer_id "
        f"AND NEW.account_id = OLD.account_id AND NEW.stripe = OLD.stripe AND {grown})"
    )
