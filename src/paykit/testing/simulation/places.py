"""
Where a flow stands, and where it can come to.

A *place* is one ``yield from commit(...)``, ``ask(...)`` or the like in the source of a
flow. What can be reached is read from the source, starting at a generator function and
following each ``yield from``; what is reached is seen in a running generator. So nobody
types a list of boundaries, and none is forgotten.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import FrameType, FunctionType, GeneratorType, ModuleType
from typing import Any, Final, TypeAlias

from typing_extensions import override

from paykit.engine import asking, effects

__all__ = [
    "Generating",
    "Place",
    "chain",
    "frame_of",
    "function_of",
    "place_of",
    "places_in",
]

Generating: TypeAlias = Generator[Any, Any, Any]
"""A generator object, whatever it is typed as."""

_LEAVES: Final = frozenset({effects.__name__, asking.__name__})
"""The modules whose functions yield an effect for somebody else."""

_OURS: Final = __name__.rpartition(".")[0]
"""The simulation: its callers and payers are no part of what is tried."""

_STANDING: Final = frozenset({"Standing", "Where"})
"""What the parameter of a function is called that runs at a recovery point."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One effect in the source of a flow."""

    function: str
    what: str
    """Which effect, and of a commit also which phase: ``commit _record``."""
    kind: str
    """The name of the effect's class."""
    at_point: bool
    """Whether an operation rests at a recovery point there."""

    @override
    def __str__(self) -> str:
        """Return it in a line."""
        return f"{self.function}: {self.what}"


def chain(flow: Generating) -> Iterator[Generating]:
    """Yield the generators that `flow` is suspended in, the outermost first."""
    inner: object = flow
    while isinstance(inner, GeneratorType):
        yield inner
        inner = inner.gi_yieldfrom


def place_of(flow: Generating) -> Place | None:
    """Return the place at which `flow` is suspended; None in the simulation itself."""
    asker: Generating | None = None
    for generator in chain(flow):
        if _module(generator) in _LEAVES:
            break
        asker = generator
    frame = None if asker is None else frame_of(asker)
    if asker is None or frame is None or _module(asker).startswith(_OURS):
        return None
    line, function = frame.f_lineno, function_of(asker)
    for first, last, place in _own_places(function):
        if first <= line <= last:
            return place
    return None


def frame_of(generator: Generating) -> FrameType | None:
    """Return where it is suspended, or not begun; None if it has ended."""
    assert isinstance(generator, GeneratorType)
    return generator.gi_frame


def _module(generator: Generating) -> str:
    frame = frame_of(generator)
    return "" if frame is None else str(frame.f_globals["__name__"])


def function_of(generator: Generating) -> FunctionType:
    """Return the function that made `generator`."""
    frame = frame_of(generator)
    assert frame is not None, "a generator that has ended"
    found: Any = sys.modules[frame.f_globals["__name__"]]
    for name in frame.f_code.co_qualname.split("."):
        found = getattr(found, name)
    assert isinstance(found, FunctionType)
    return found


def places_in(root: FunctionType) -> frozenset[Place]:
    """Return every place that a flow of `root` can come to."""
    seen: dict[FunctionType, None] = {}
    todo, found = [root], set[Place]()
    while todo:
        function = todo.pop()
        if function in seen:
            continue
        seen[function] = None
        found.update(place for _, _, place in _own_places(function))
        todo += _called(function)
    return frozenset(found)


# -- reading source ----------------------------------------------------------------


@cache
def _own_places(function: FunctionType) -> tuple[tuple[int, int, Place], ...]:
    """Return the places in the function itself, with their first and last lines."""
    found = []
    for node in _yields(function):
        called = _resolve(function, node.value)
        if called is not None and called.__module__ in _LEAVES:
            assert isinstance(node.value, ast.Call)
            place = Place(
                function=function.__qualname__,
                what=_label(node.value),
                kind=_effect(called),
                at_point=_stands(function),
            )
            found.append((node.lineno, node.end_lineno or node.lineno, place))
    return tuple(found)


@cache
def _called(function: FunctionType) -> tuple[FunctionType, ...]:
    """Return the generator functions that it goes on with."""
    called = (_resolve(function, node.value) for node in _yields(function))
    return tuple(
        one
        for one in called
        if one is not None
        and inspect.isgeneratorfunction(one)
        and one.__module__ not in _LEAVES
    )


@cache
def _yields(function: FunctionType) -> tuple[ast.YieldFrom, ...]:
    nodes = ast.walk(_definition(function))
    return tuple(node for node in nodes if isinstance(node, ast.YieldFrom))


@cache
def _definition(function: FunctionType) -> ast.FunctionDef:
    tree = _tree(sys.modules[function.__module__])
    first = function.__code__.co_firstlineno
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and _begins(node) == first:
            return node
    raise LookupError(f"no source for {function.__qualname__}")


def _begins(node: ast.FunctionDef) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _resolve(function: FunctionType, value: ast.expr | None) -> FunctionType | None:
    """Return the function that is called, if it can be told from the source."""
    if not isinstance(value, ast.Call):
        return None
    match value.func:
        case ast.Name(id=name):
            found = function.__globals__.get(name)
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            found = getattr(_owner(function, owner), name, None)
        case _:
            return None
    found = inspect.unwrap(found) if callable(found) else None
    return found if isinstance(found, FunctionType) else None


def _owner(function: FunctionType, name: str) -> object:
    """Return what `name` stands for: our class, a parameter's class or a module."""
    if name == "self":
        within = function.__qualname__.rpartition(".")[0]
        return function.__globals__.get(within)
    for argument in _arguments(function):
        if argument.arg == name and argument.annotation is not None:
            named = ast.unparse(argument.annotation).partition("[")[0]
            return _dotted(function.__globals__, named)
    for node in ast.walk(_definition(function)):
        match node:
            case ast.Assign(targets=[ast.Name(id=local)], value=made) if local == name:
                return _made(function, made)
    return function.__globals__.get(name)


def _made(function: FunctionType, value: ast.expr) -> object:
    """Return the class of a local: of ``replace(other, ...)`` or of ``Class(...)``."""
    match value:
        case ast.Call(func=ast.Name(id="replace"), args=[ast.Name(id=other), *_]):
            return _owner(function, other)
        case ast.Call(func=ast.Name(id=name)):
            return function.__globals__.get(name)
        case _:
            return None


def _dotted(names: Mapping[str, Any], dotted: str) -> object:
    first, *rest = dotted.split(".")
    found = names.get(first)
    for name in rest:
        found = getattr(found, name, None)
    return found


def _arguments(function: FunctionType) -> list[ast.arg]:
    arguments = _definition(function).args
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _stands(function: FunctionType) -> bool:
    """Whether one of its parameters is a standing at a recovery point."""
    notes = [a.annotation for a in _arguments(function) if a.annotation is not None]
    names = {ast.unparse(note).partition("[")[0].split(".")[-1] for note in notes}
    return bool(names & _STANDING)


_EFFECTS: Final[Mapping[str, str]] = {
    name.lower(): name
    for name, value in vars(effects).items()
    if inspect.isclass(value) and name[0].isupper() and value.__module__ in _LEAVES
}


def _effect(leaf: Callable[..., object]) -> str:
    """Return the effect that a helper yields: ``commit`` yields a `Commit`."""
    return _EFFECTS[leaf.__name__]


def _label(call: ast.Call) -> str:
    helper = _last_name(call.func)
    if helper != "commit" or not call.args:
        return helper
    return f"{helper} {_phase(call.args[0])}"


def _phase(phase: ast.expr) -> str:
    match phase:
        case ast.Lambda(body=ast.Call(func=called)):
            return _last_name(called)
        case ast.Call(func=ast.Name(id="partial"), args=[first, *_]):
            return _last_name(first)
        case ast.Call(func=called):
            return _last_name(called)
        case _:
            return _last_name(phase)


def _last_name(node: ast.expr) -> str:
    return ast.unparse(node).split(".")[-1]
