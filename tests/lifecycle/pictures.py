"""
The page of the documentation that shows the lifecycles, made from the tables.

``python -m tests.lifecycle.pictures`` writes it again after a table has changed.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from paykit.lifecycle import (
    DISPUTE,
    PAYMENT,
    PAYOUT,
    REFUND,
    SUBSCRIPTION,
    By,
    Lifecycle,
)
from paykit.lifecycle.diagram import mermaid

__all__ = ["PAGE", "page"]

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "lifecycles.md"

_INTRODUCTION: Final = """\
# Lifecycles

Made from the tables in `paykit.lifecycle`; do not edit. The same tables make the state
machine and the triggers in the database.

An *observation* follows what the PSP says and moves the state. A command, in «angle
quotes», is what paykit may start in a state; it moves nothing by itself, because only
the PSP's answer tells what came of it.
"""


def page() -> str:
    """Return the whole page."""
    sections = [
        _section(PAYMENT),
        _section(REFUND),
        _section(DISPUTE),
        _section(PAYOUT),
        _section(SUBSCRIPTION),
    ]
    return "\n".join([_INTRODUCTION, *sections])


def _section(lifecycle: Lifecycle[S, E]) -> str:
    picture = f"## {lifecycle.name.title()}\n\n```mermaid\n{mermaid(lifecycle)}```\n"
    rows = "\n".join(
        f"| `{row.source}` | `{row.event}` | `{row.target}` | {_who(row.by)} |"
        for row in lifecycle.transitions
    )
    head = "| In | event | leads to | by |\n| --- | --- | --- | --- |"
    return f"{picture}\n{head}\n{rows}\n"


def _who(by: By) -> str:
    return "us" if by is By.COMMAND else "the PSP"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), "utf-8")
