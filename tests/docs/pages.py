"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["PAGES", "ROOT", "Block", "blocks", "name_of"]

ROOT: Final = Path(__file__).parents[2]

PAGES: Final = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
"""Every page; a page without a test would soon be wrong."""

_BLOCK: Final = re.compile(r"^```(\w*)[ ]?(.*)\n((?:.*\n)*?)```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """
    One block of code.

    What stands behind the language says what a test does with it: nothing for Python
    that runs, a path for Python that is quoted from that file, and ``output`` for text
    that the block before it prints.
    """

    language: str
    note: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Return the blocks of `page` in their order."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found[1], found[2].strip(), found[3], line)


def name_of(page: Path) -> str:
    """Return the page's path from the root of the repository."""
    return page.relative_to(ROOT).as_posix()
