"""The style of the source, as far as a machine can see it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src" / "paykit"

LONGEST_FUNCTION: Final = 50
LONGEST_MODULE: Final = 400


@dataclass(frozen=True)
class Module:
    """One module of the source, read and parsed."""

    name: str
    """Its path below the package, such as ``store/tx.py``."""

    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def is_empty(self) -> bool:
        """Whether there is no more than a docstring."""
        return all(isinstance(node, ast.Expr) for node in self.tree.body)


def _modules() -> list[Module]:
    return [
        Module(path.relative_to(SOURCE).as_posix(), path.read_text("utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
    ]


# --- the rules: each names what it finds, with its line -------------------------------


def too_long(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    if lines > LONGEST_MODULE:
        yield f"{lines} lines, at most {LONGEST_MODULE}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{node.lineno}: {node.name} has {length} lines"


def unsorted_exports(module: Module) -> Iterator[str]:
    if module.is_empty:
        return
    exported = _exported_names(module.tree)
    if exported is None:
        yield "no __all__"
    elif exported not in (sorted(set(exported)), sorted(set(exported), key=_by_case)):
        yield f"__all__ is not sorted: {sorted(set(exported), key=_by_case)}"


def _by_case(name: str) -> tuple[bool, bool, str]:
    """Constants, classes, functions: the order that ruff and isort would choose."""
    return (not name.isupper(), not name[0].isupper(), name)


def _exported_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def no_future_annotations(module: Module) -> Iterator[str]:
    defines = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.AnnAssign)
    if not any(isinstance(node, defines) for node in module.tree.body):
        return
    if "\nfrom __future__ import annotations\n" not in f"\n{module.text}":
        yield "no `from __future__ import annotations`"


TIME_AND_CHANCE: Final = re.compile(
    r"(?:.*\.)?(?:datetime\.(?:now|utcnow|today)|date\.today|time\.time(?:_ns)?"
    r"|uuid[1-8]|os\.urandom|token_(?:hex|bytes|urlsafe)|SystemRandom)"
)
CLOCK: Final = "clock.py"


def time_or_chance(module: Module) -> Iterator[str]:
    if module.name == CLOCK:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if TIME_AND_CHANCE.fullmatch(called):
                yield f"{node.lineno}: {called}, but time and chance come from a World"


def unseeded_random(module: Module) -> Iterator[str]:
    """Only ``random.Random(seed)``, and only where histories are made up."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            yield f"{node.lineno}: from random import"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "random":
            seeded = node.attr == "Random" and module.name.startswith("testing/")
            if not seeded:
                yield f"{node.lineno}: random.{node.attr}"


MAY_PRINT: Final = ("cli/", "cli.py", "testing/demo", "testing/server", "testing/sim")


def prints(module: Module) -> Iterator[str]:
    if module.name.startswith(MAY_PRINT):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield f"{node.lineno}: print"


MONEY_NAME: Final = re.compile(r"amount|minor|money|price|fee|balance|total|refunded")


def float_money(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.arg) and node.annotation:
            name, annotation = node.arg, ast.unparse(node.annotation)
        elif isinstance(node, ast.AnnAssign):
            name, annotation = ast.unparse(node.target), ast.unparse(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns:
            name, annotation = node.name, ast.unparse(node.returns)
        else:
            continue
        if MONEY_NAME.search(name) and re.search(r"\bfloat\b", annotation):
            yield f"{node.lineno}: {name} is a {annotation}"


def inexact_columns(module: Module) -> Iterator[str]:
    """Amounts are BigInteger; nothing else that we store needs a fraction."""
    if not module.name.startswith("store/"):
        return
    inexact = {"Double", "Float", "Numeric", "REAL", "DOUBLE_PRECISION", "DECIMAL"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in inexact:
                    yield f"{node.lineno}: {alias.name} column"


Rule = Callable[[Module], Iterator[str]]

RULES: Final[dict[Rule, str]] = {
    # Each rule with a piece of code that breaks it, to show that it can fail.
    too_long: "def f():\n" + "    x = 1\n" * LONGEST_FUNCTION,
    unsorted_exports: "__all__ = ['b', 'a']\n",
    no_future_annotations: "def f() -> None: ...\n",
    time_or_chance: "import datetime\nx = datetime.datetime.now(tz)\n",
    unseeded_random: "import random\nx = random.random()\n",
    prints: "print('hello')\n",
    float_money: "def f(amount: float | None) -> None: ...\n",
    inexact_columns: "from sqlalchemy import Numeric\n",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_is_tidy(rule: Rule) -> None:
    found = [
        f"{module.name}: {complaint}"
        for module in _modules()
        for complaint in rule(module)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("rule", "breach"), RULES.items())
def test_each_rule_can_fail(rule: Rule, breach: str) -> None:
    assert list(rule(Module("store/example.py", breach)))


@pytest.mark.parametrize(
    "call",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "time.time()",
        "uuid.uuid4()",
        "uuid4()",
        "uuid7()",
        "secrets.token_hex(8)",
    ],
)
def test_every_source_of_time_and_chance_is_known(call: str) -> None:
    assert list(time_or_chance(Module("engine/example.py", call)))
    assert not list(time_or_chance(Module(CLOCK, call)))


@pytest.mark.parametrize("call", ["world.now()", "tx.new_uuid()", "monotonic.time()"])
def test_a_world_may_be_asked(call: str) -> None:
    assert not list(time_or_chance(Module("engine/example.py", call)))


# --- what an import costs -------------------------------------------------------------

TOO_HEAVY: Final = {"alembic", "django", "fastapi", "flask", "jinja2", "stripe"}
"""Extras and frameworks: whoever wants them imports the module that needs them."""

FACES: Final = ("paykit", "paykit.service", "paykit.webhooks", "paykit.workers")


@pytest.mark.parametrize("face", FACES)
def test_importing_paykit_loads_no_extra_and_no_framework(face: str) -> None:
    if not _source_of(face):
        pytest.skip(f"{face} is not written yet")
    program = f"import sys, {face}; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    assert not TOO_HEAVY.intersection(loaded.stdout.split())


def _source_of(module: str) -> bool:
    path = ROOT / "src" / module.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


# --- the repository -------------------------------------------------------------------

UNFINISHED: Final = re.compile("|".join([r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b"]))
TEXTS: Final = {"", ".md", ".py", ".toml", ".sql", ".html", ".yml", ".yaml", ".cfg"}
TREES: Final = "src tests docs examples benchmarks scripts .ci".split()  # noqa: SIM905


def _texts() -> Iterator[Path]:
    found = [path for tree in TREES for path in (ROOT / tree).rglob("*")]
    for path in [*found, *ROOT.glob("*")]:
        if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts:
            yield path


def test_nothing_is_left_unfinished() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _texts()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not found, "\n".join(found)


def test_the_changelog_is_about_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == project["version"]
