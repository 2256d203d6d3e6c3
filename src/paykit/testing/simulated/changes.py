"""What changed in the provider's memory, as the lines of a journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Any, Final, TypeGuard

from pydantic_core import to_json

from paykit.testing.simulated.admission import Account
from paykit.testing.simulated.archive import KEYS, TABLES, pack_row
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.rows import Table
from paykit.testing.simulated.state import Shared

__all__ = ["Changes", "Guard", "merge"]

_EVENTS: Final = "events"

_DEPTHS: Final = {"counters": 1, _EVENTS: 1, "accounts": 3}
"""How deep below a name of the dump the things stand that change as a whole."""


class Guard:
    """A lock that a thread may take twice; tells when it is let go, still held."""

    def __init__(self, before_release: Callable[[], None]) -> None:
        self._lock = RLock()
        self._depth = 0
        self._before_release = before_release

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        try:
            if self._depth == 1:
                self._before_release()
        finally:
            self._depth -= 1
            self._lock.release()


class Changes:
    """
    Watches one provider's memory and tells `write` what every step has changed.

    A step's changes are one JSON object in the shape of a dump, with the changed rows
    only; null stands for a row that is gone. Not thread-safe: whoever changes the
    memory holds the provider's lock, also for `tell`.
    """

    def __init__(self, shared: Shared, write: Callable[[bytes], None]) -> None:
        """Watch `shared`; the accounts are watched from `watch` on."""
        self._shared = shared
        self._write = write
        self._counters: Counter[str] = Counter()
        self._begun = False
        shared.events = Table(shared.events)

    def anew(self) -> Changes:
        """Return a watch that begins with everything."""
        return Changes(self._shared, self._write)

    def watch(self, account: Account) -> None:
        """Let the account's tables say which of their rows may have changed."""
        for name in TABLES:
            setattr(account.state, name, Table(getattr(account.state, name)))
        account.keys.remembered = Table(account.keys.remembered)
        # Found under both names: who hears of an event is looked up across accounts.
        self._shared.endpoints[account.state.account] = account.state.endpoints

    def tell(self, accounts: Mapping[str, Account]) -> None:
        """Write what has changed since the last time, if anything has."""
        rows = [(name, self._account(account)) for name, account in accounts.items()]
        events = self._shared.events
        parts = [
            _part("counters", to_json(self._counted())),
            _part(_EVENTS, _changed(_EVENTS, events) if _suspects(events) else b"{}"),
            _part("accounts", _object(rows)),
        ]
        kept = [part for part in parts if not part.endswith(b":{}")]
        if not self._begun:
            tag = _part("tag", to_json(self._shared.tag))
            kept = [_part("reset", b"true"), tag, *kept]
            self._begun = True
        if kept:
            self._write(b"{" + b",".join(kept) + b"}")

    def _counted(self) -> Mapping[str, int]:
        """Return the counters that have moved."""
        now, before = self._shared.counters, self._counters
        moved = {name: count for name, count in now.items() if before[name] != count}
        before.update({name: count - before[name] for name, count in moved.items()})
        return moved

    def _account(self, account: Account) -> bytes:
        tables = [(name, getattr(account.state, name)) for name in TABLES]
        tables.append((KEYS, account.keys.remembered))
        return _object(
            (name, _changed(name, table)) for name, table in tables if _suspects(table)
        )


def merge(memory: Json, changes: Json) -> None:
    """Bring the dump `memory` up to date with one step's `changes`."""
    if changes.pop("reset", False):
        memory.clear()
        memory.update({name: {} for name in _DEPTHS})
    for name, value in changes.items():
        depth = _DEPTHS.get(name, 0)
        if depth and isinstance(value, dict):
            _merge(memory, name, value, depth)
        else:
            memory[name] = value


def _merge(memory: Json, name: str, changes: Json, depth: int) -> None:
    """Replace what stands `depth` steps below ``memory[name]``; null takes it out."""
    known = memory.setdefault(name, {})
    if not isinstance(known, dict):
        raise ValueError(f"{name} is not an object")
    for key, value in changes.items():
        if value is None:
            known.pop(key, None)
        elif depth > 1 and isinstance(value, dict):
            _merge(known, key, value, depth - 1)
        else:
            known[key] = value


def _suspects(table: Mapping[str, Any]) -> TypeGuard[Table[Any]]:
    """Return whether a row of `table` may have changed."""
    return isinstance(table, Table) and bool(table.suspects)


def _changed(name: str, table: Table[Any]) -> bytes:
    """Return the rows of `table` that are not as they were written last."""
    rows = [
        (reference, text)
        for reference in table.suspects
        if (text := _news(name, table, reference)) is not None
    ]
    table.suspects.clear()
    return _object(rows)


def _news(name: str, table: Table[Any], reference: str) -> bytes | None:
    """Return the row as it is now, null if it is gone, None if that is no news."""
    if reference not in table:
        return None if table.written.pop(reference, None) is None else b"null"
    text = pack_row(name, dict.__getitem__(table, reference))
    look = hash(text)
    if text is None or table.written.get(reference) == look:
        return None
    table.written[reference] = look
    return text


def _object(parts: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a JSON object without what is empty."""
    kept = [_part(name, value) for name, value in parts if value != b"{}"]
    return b"{" + b",".join(kept) + b"}"


def _part(name: str, value: bytes) -> bytes:
    return to_json(name) + b":" + value
