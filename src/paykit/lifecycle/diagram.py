"""A lifecycle as a Mermaid picture for the documentation."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from paykit.lifecycle.table import By, Lifecycle

__all__ = ["mermaid"]

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def mermaid(lifecycle: Lifecycle[S, E]) -> str:
    """Draw `lifecycle` as a Mermaid state diagram, a line for each transition."""
    lines = ["stateDiagram-v2", f"    [*] --> {lifecycle.initial}"]
    for row in lifecycle.transitions:
        label = f"«{row.event}»" if row.by is By.COMMAND else row.event
        lines.append(f"    {row.source} --> {row.target}: {label}")
    lines += [f"    {s} --> [*]" for s in lifecycle.states if s in lifecycle.final]
    return "\n".join(lines) + "\n"
