"""Every block of Python in the documentation runs, and prints what it says."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from paykit.stripe import StripePsp
from tests.docs.pages import PAGES, ROOT, Block, blocks, name_of

RUNNING = [
    page
    for page in PAGES
    if any(block.language == "python" and not block.note for block in blocks(page))
]
QUOTING = [
    page
    for page in PAGES
    if any(block.language == "python" and block.note for block in blocks(page))
]


@pytest.fixture
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory, and the settings that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_documentation")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_documentation")
    monkeypatch.setenv("PAYKIT_DATABASE_URL", f"sqlite:///{tmp_path}/shop.db")


@contextlib.contextmanager
def _namespace() -> Iterator[dict[str, Any]]:
    """What the blocks of one page share; closed at the end."""
    shared: dict[str, Any] = {"__name__": "__main__"}
    try:
        yield shared
    finally:
        logging.disable(logging.NOTSET)  # a page may have switched it off
        for value in shared.values():
            if isinstance(value, Engine):
                value.dispose()
            if isinstance(value, StripePsp):
                value.close()
        shared.clear()
        gc.collect()


def _run(page: Path, block: Block, shared: dict[str, Any]) -> str:
    """Run `block` as if it stood at its line of the page; return what it prints."""
    code = compile("\n" * block.line + block.text, name_of(page), "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, shared)
    return printed.getvalue()


@pytest.mark.parametrize("page", RUNNING, ids=name_of)
@pytest.mark.usefixtures("_host")
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path) -> None:
    printed = ""
    with _namespace() as shared:
        for block in blocks(page):
            if block.language == "python" and not block.note:
                printed = _run(page, block, shared)
            elif (block.language, block.note) == ("text", "output"):
                assert printed == block.text, f"{name_of(page)}:{block.line}"


@pytest.mark.parametrize("page", QUOTING, ids=name_of)
def test_what_a_page_quotes_stands_in_the_file(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python" and block.note:
            source = (ROOT / block.note).read_text("utf-8")
            where = f"{name_of(page)}:{block.line}"
            for part in block.text.split("\n...\n"):
                assert part.strip("\n") in source, f"{where}: not in {block.note}"


def test_no_page_has_a_kind_of_block_that_nobody_checks() -> None:
    known = {"python", "text", "sh", "mermaid", "sql", ""}
    for page in PAGES:
        for block in blocks(page):
            assert block.language in known, f"{name_of(page)}:{block.line}"
