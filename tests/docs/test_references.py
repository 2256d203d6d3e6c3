"""What the documentation names exists: links, files, tests, commands."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from paykit import cli
from tests.docs.pages import PAGES, ROOT, blocks, name_of

LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(#[^)]*)?\)")
NAMED_TEST = re.compile(r"\b(tests/[\w/]+\.py)::(\w+)")
NAMED_PATH = re.compile(r"`((?:src|tests|scripts|examples|docs)/[\w./-]+)")
NAMED_MODULE = re.compile(r"`(paykit(?:\.\w+)+)[`(]")

every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, defined)}


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, _ in LINK.findall(page.read_text("utf-8")):
        if not target.startswith(("https://", "mailto:")):
            assert (page.parent / target).exists(), target


@every_page
def test_every_path_that_is_named_exists(page: Path) -> None:
    for path in NAMED_PATH.findall(page.read_text("utf-8")):
        assert (ROOT / path.rstrip("./")).exists(), path


@every_page
def test_every_test_that_is_named_exists(page: Path) -> None:
    for path, test in NAMED_TEST.findall(page.read_text("utf-8")):
        assert test in _tests_in(ROOT / path), f"{path}::{test}"


@every_page
def test_every_module_and_name_of_paykit_exists(page: Path) -> None:
    for name in NAMED_MODULE.findall(page.read_text("utf-8")):
        parts = name.split(".")
        assert any(
            _has(parts[:cut], parts[cut:]) for cut in range(len(parts), 0, -1)
        ), name


def _has(module: list[str], names: list[str]) -> bool:
    """Whether `module` exists and has `names`, as attributes of one another."""
    try:
        found: Any = import_module(".".join(module))
    except ModuleNotFoundError:
        return False
    for name in names:
        annotated = name in getattr(found, "__annotations__", {})
        if not annotated and not hasattr(found, name):
            return False
        found = getattr(found, name, None)
    return True


@every_page
def test_every_command_of_paykit_is_one(page: Path) -> None:
    parser = argparse.ArgumentParser(prog="paykit")
    cli.add_arguments(parser)
    for block in blocks(page):
        for line in block.text.splitlines() if block.language == "sh" else ():
            words = shlex.split(line.partition(" > ")[0], comments=True)
            if words[:1] == ["paykit"]:
                parser.parse_args(words[1:])


def test_the_readme_promises_something() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(NAMED_TEST.findall(readme)) > 10


def test_the_readme_begins_with_the_demo_and_the_tests() -> None:
    shell = [
        block.text for block in blocks(ROOT / "README.md") if block.language == "sh"
    ]
    assert shell[:2] == ["python3 scripts/demo\n", "python3 scripts/test\n"]
