"""
A lifecycle as database triggers, so that no client can break it (DESIGN law 5).

Pure text: `paykit.store.ddl` installs it. The guards hold for SQL by hand as well.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from paykit.lifecycle.table import Lifecycle

__all__ = ["claim_guard", "state_guard"]

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def state_guard(
    table: str, lifecycle: Lifecycle[S, E], column: str = "state"
) -> dict[str, tuple[str, ...]]:
    """
    Return, by dialect, the statements that guard `column` of `table`.

    A row begins in the initial state, and changes only along the table.
    """
    legal = " OR ".join(
        f"(OLD.{column} = '{source}' AND NEW.{column} = '{target}')"
        for source, target in lifecycle.moves()
    )
    first = f"{lifecycle.name}: must begin as {lifecycle.initial}"
    moves = f"{lifecycle.name}: no such transition"
    return {
        "sqlite": (
            f"CREATE TRIGGER {table}_{column}_first BEFORE INSERT ON {table} "
            f"WHEN NEW.{column} <> '{lifecycle.initial}' "
            f"BEGIN SELECT RAISE(ABORT, '{first}'); END",
            f"CREATE TRIGGER {table}_{column}_moves BEFORE UPDATE ON {table} "
            f"WHEN OLD.{column} <> NEW.{column} AND NOT ({legal}) "
            f"BEGIN SELECT RAISE(ABORT, '{moves}'); END",
        ),
        "postgresql": (
            f"CREATE OR REPLACE FUNCTION {table}_{column}_guard() RETURNS trigger "
            f"LANGUAGE plpgsql AS $$ BEGIN "
            f"IF TG_OP = 'INSERT' THEN IF NEW.{column} <> '{lifecycle.initial}' THEN "
            f"RAISE EXCEPTION '{first}' USING ERRCODE = 'check_violation'; END IF; "
            f"ELSIF OLD.{column} <> NEW.{column} AND NOT ({legal}) THEN "
            f"RAISE EXCEPTION '{moves}' USING ERRCODE = 'check_violation'; END IF; "
            f"RETURN NEW; END $$",
            f"CREATE TRIGGER {table}_{column}_guard "
            f"BEFORE INSERT OR UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_{column}_guard()",
        ),
    }


def claim_guard(
    claims: str, things: str, lifecycle: Lifecycle[S, E]
) -> dict[str, tuple[str, ...]]:
    """
    Return, by dialect, the statements that guard the `claims` on `things`.

    A command may be claimed only in a state in which the table allows it. `claims` has
    the columns ``thing_id`` and ``command``; `things` has ``id`` and ``state``.
    """
    allowed = " OR ".join(
        f"(NEW.command = '{command}' AND thing.state = '{state}')"
        for command, state in lifecycle.commands()
    )
    exists = (
        f"EXISTS (SELECT 1 FROM {things} thing "
        f"WHERE thing.id = NEW.thing_id AND ({allowed}))"
    )
    text = f"{lifecycle.name}: command not allowed in this state"
    return {
        "sqlite": tuple(
            f"CREATE TRIGGER {claims}_{verb.lower()}_guard BEFORE {verb} ON {claims} "
            f"WHEN NOT {exists} BEGIN SELECT RAISE(ABORT, '{text}'); END"
            for verb in ("INSERT", "UPDATE")
        ),
        "postgresql": (
            f"CREATE OR REPLACE FUNCTION {claims}_guard() RETURNS trigger "
            f"LANGUAGE plpgsql AS $$ "
            f"BEGIN IF NOT {exists} THEN "
            f"RAISE EXCEPTION '{text}' USING ERRCODE = 'check_violation'; END IF; "
            f"RETURN NEW; END $$",
            f"CREATE TRIGGER {claims}_guard BEFORE INSERT OR UPDATE ON {claims} "
            f"FOR EACH ROW EXECUTE FUNCTION {claims}_guard()",
        ),
    }
