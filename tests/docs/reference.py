"""
The pages of the reference that are made from the code: errors and tables.

``python -m tests.docs.reference`` writes them again after the code has changed.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import ForeignKeyConstraint

from paykit import errors
from paykit.store import schema
from paykit.store.schema import metadata
from tests.docs.local_stripe import local_stripe_page
from tests.docs.pages import ROOT

__all__ = ["WRITTEN", "errors_page", "schema_page"]

_POSTGRESQL: Final[Dialect] = postgresql.dialect()  # type: ignore[no-untyped-call]

_MADE: Final = "Made from the code by `python -m tests.docs.reference`; do not edit.\n"


# -- errors ----------------------------------------------------------------------------


def errors_page() -> str:
    """Return the page about what paykit raises."""
    text = (errors.__doc__ or "").split("::", 1)[1]
    drawn, _, rest = text.partition("\n\nA decline")
    parts = [
        "# Errors\n",
        _MADE,
        "Every error that paykit raises on purpose is a `PaykitError`. Its\n"
        "`http_status` is the status that suits it when a web host passes it on.\n",
        f"```text\n{_plain(dedent(drawn)).strip()}\n```\n",
        f"A decline{_plain(rest).rstrip()}\n",
        *(_error(getattr(errors, name)) for name in _in_order()),
    ]
    return "\n".join(parts)


def _in_order() -> list[str]:
    """Return the names as the tree draws them: parents first."""
    drawn = re.findall(r"\b([A-Z]\w+) +\d{3}\b", errors.__doc__ or "")
    missing = set(errors.__all__) - set(drawn)
    return drawn + sorted(missing)


def _error(error: type[errors.PaykitError]) -> str:
    base = error.__bases__[0].__name__
    text = _plain(inspect.cleandoc(error.__doc__ or ""))
    attributes = "".join(
        f"- `{name}`" + (f": {doc}\n" if doc else "\n")
        for name, doc in _attributes(error).items()
    )
    head = f"## {error.__name__}\n\nHTTP {error.http_status}, a kind of `{base}`.\n\n"
    return f"{head}{text}\n" + (f"\n{attributes}" if attributes else "")


def _attributes(error: type[errors.PaykitError]) -> Mapping[str, str]:
    """Return what instances have beyond their text, from ``__init__``."""
    if "__init__" not in vars(error):
        return {}
    body = ast.parse(dedent(inspect.getsource(error))).body[0]
    init = next(node for node in ast.walk(body) if isinstance(node, ast.FunctionDef))
    found: dict[str, str] = {}
    for node, after in zip(init.body, [*init.body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            found[node.targets[0].attr] = _plain(_text_of(after))
    return found


# -- tables ----------------------------------------------------------------------------


def schema_page() -> str:
    """Return the page about the tables."""
    parts = [
        "# Tables\n",
        _MADE,
        "All names begin with `paykit_`. Types are PostgreSQL's; on SQLite they are\n"
        "the nearest that it has. Amounts are integers in the currency's minor unit,\n"
        "times are UTC. Triggers guard what constraints cannot say: illegal\n"
        "transitions, refunds above what was captured, changed events and ledger\n"
        "entries; they stand in `src/paykit/store/schema/`.\n",
    ]
    texts = _table_texts()
    parts += [
        _table(table, texts[name]) for name, table in sorted(metadata.tables.items())
    ]
    return "\n".join(parts)


def _table(table: Table, text: str) -> str:
    head = "| column | type | null | key |\n| --- | --- | --- | --- |\n"
    rows = "".join(_column(column) for column in table.columns)
    rules = "".join(f"- {rule}\n" for rule in _rules(table))
    return f"## {table.name}\n\n{_plain(text)}\n\n{head}{rows}" + (
        f"\n{rules}" if rules else ""
    )


def _column(column: Column[object]) -> str:
    kind = column.type.compile(dialect=_POSTGRESQL).lower()
    null = "yes" if column.nullable else ""
    key = "primary" if column.primary_key else ""
    return f"| `{column.name}` | {kind} | {null} | {key} |\n"


def _rules(table: Table) -> Iterator[str]:
    """Return the constraints that the columns do not show."""
    rules = []
    for one in table.constraints:
        if isinstance(one, UniqueConstraint):
            rules.append(f"unique: {_names(one.columns)}")
        elif isinstance(one, ForeignKeyConstraint):
            rules.append(f"{_names(one.columns)} refers to `{one.referred_table.name}`")
        elif isinstance(one, CheckConstraint) and "typeof" not in str(one.sqltext):
            rules.append(f"check: `{one.sqltext}`")
    rules += [f"unique: {_names(one.columns)}" for one in table.indexes if one.unique]
    yield from sorted(rules)


def _names(columns: Iterable[ColumnElement[Any]]) -> str:
    return ", ".join(f"`{column.name}`" for column in columns)


def _table_texts() -> Mapping[str, str]:
    """Return what stands below each table in the source, by the table's name."""
    found: dict[str, str] = {}
    folder = Path(schema.__file__).parent
    for path in sorted(folder.glob("*.py")):
        body = ast.parse(path.read_text("utf-8")).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                name = _table_name(node.value)
                if name is not None:
                    found[name] = _text_of(after)
    return found


def _table_name(call: ast.Call) -> str | None:
    if ast.unparse(call.func) != "Table" or not call.args:
        return None
    return str(ast.literal_eval(call.args[0]))


# -- both ------------------------------------------------------------------------------


def _text_of(node: ast.stmt | None) -> str:
    """Return the text of an attribute's docstring."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return inspect.cleandoc(str(node.value.value))
    return ""


def _plain(text: str) -> str:
    """Return a docstring as Markdown, without what only the source needs."""
    return re.sub(r" \(DESIGN[^)]*\)", "", text).replace("``", "`")


WRITTEN: Final = {
    ROOT / "docs" / "reference" / "errors.md": errors_page,
    ROOT / "docs" / "reference" / "local-stripe.md": local_stripe_page,
    ROOT / "docs" / "reference" / "schema.md": schema_page,
}

if __name__ == "__main__":
    for path, page in WRITTEN.items():
        path.write_text(page(), "utf-8")
