"""
Tables that know which of their rows have changed, for a journal.

A plain ``dict`` does without a journal. With one, an account's tables are `Table`: what
is put in, taken out, looked up or set in a row may have changed, and only that has to
be looked at afterwards, however long the table is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, TypeVar

from typing_extensions import override

__all__ = ["Row", "Table"]

_V = TypeVar("_V")
_set = object.__setattr__


class Row:
    """Something that stands in a `Table`, and tells it when a field is set."""

    __slots__ = ("_place",)

    _place: tuple[dict[str, None], str] | None
    """The table's suspects and the row's id; None where nobody asks."""

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make a row that stands nowhere yet: most fields are set before it does."""
        row = super().__new__(cls)
        _set(row, "_place", None)
        return row

    @override
    def __setattr__(self, name: str, value: object) -> None:
        _set(self, name, value)
        place = self._place
        if place is not None:
            suspects, reference = place
            suspects[reference] = None


class Table(dict[str, _V]):
    """Rows by id, in the order of creation, and the suspects: who may have changed."""

    def __init__(self, rows: Mapping[str, _V]) -> None:
        super().__init__()
        self.suspects: dict[str, None] = {}
        """A set that keeps its order, so that new rows are written in theirs."""
        self.written: dict[str, int] = {}
        """What each row looked like when it was written last, as a hash."""
        for reference, row in rows.items():
            self[reference] = row

    @override
    def __setitem__(self, reference: str, row: _V) -> None:
        super().__setitem__(reference, row)
        self.suspects[reference] = None
        if isinstance(row, Row):
            _set(row, "_place", (self.suspects, reference))

    @override
    def __delitem__(self, reference: str) -> None:
        super().__delitem__(reference)
        self.suspects[reference] = None

    @override
    def __getitem__(self, reference: str) -> _V:
        row = super().__getitem__(reference)
        self.suspects[reference] = None
        return row

    @override
    def get(self, reference: str, default: object = None) -> object:  # type: ignore[override]
        """Return the row, whose inner dictionaries the caller may then change."""
        if reference not in self:
            return default
        return self[reference]

    @override
    def pop(self, reference: str, default: object = None) -> object:  # type: ignore[override]
        """Take a row out and return it, or `default`."""
        row = super().pop(reference, default)
        self.suspects[reference] = None
        return row
