"""
Requests against the parameters that the installed Stripe SDK declares.

The provider behind this server knows what it simulates; the SDK knows every parameter
of the API, with its type. A request is compared with that first, so that a misspelt or
withdrawn parameter fails here as it would at Stripe, at any depth. The tables are read
from the SDK's ``*Params`` types when an endpoint is first asked for. Without the SDK
requests go on unchecked, which is said once on stderr.
"""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType, UnionType
from typing import Final

from paykit.testing.simulated.errors import ProviderError, invalid, missing
from paykit.testing.stripe_server.browser import check_browser
from paykit.testing.stripe_server.forms import Form
from paykit.testing.stripe_server.keys import read_key
from paykit.testing.stripe_server.routes import Route

__all__ = ["check_request"]

_UNCHECKED: Final = (
    "stripe-server: the stripe package is not installed; "
    "parameters are not compared with the SDK's\n"
)
_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_REAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_FLAGS: Final = ("true", "false")

_WITHDRAWN: Final = "payment_method_types"
_WITHDRAWN_FROM: Final = ("payment_intents", "setup_intents")
"""Where ``payment_method_types`` was writable before API version 2026-09-30.endive."""


@dataclass(frozen=True, slots=True)
class _Type:
    """What one parameter may be: all alternatives of a union together."""

    objects: tuple[type, ...] = ()
    """Typed dictionaries; their fields are read when they are needed."""
    items: _Type | None = None
    """What a list holds, if it may be a list."""
    table: bool = False
    """Whether it may hold any names, as metadata does."""
    words: tuple[str, ...] = ()
    """Values that are allowed; ``""`` means that it can be unset."""
    text: bool = False
    number: bool = False
    real: bool = False
    flag: bool = False


@dataclass(frozen=True, slots=True)
class _Fields:
    """The parameters of one endpoint, or of a group within it."""

    types: Mapping[str, _Type]
    required: frozenset[str]


def check_request(headers: Mapping[str, str], route: Route, params: Form) -> None:
    """
    Compare `params` with what `route` takes, and with what the key may do.

    Raises `ProviderError` 400, or 403 for a publishable key. The SDK does not declare
    the ``client_secret`` that Stripe.js sends along with a confirmation.
    """
    key = read_key(headers)
    if key is not None and key.publishable:
        check_browser(route.verb, params)
        params = {name: params[name] for name in params if name != "client_secret"}
    _check_params(route, params)


def _check_params(route: Route, params: Form) -> None:
    resource = route.pattern.split("/", 1)[0]
    if route.method == "POST" and resource in _WITHDRAWN_FROM and _WITHDRAWN in params:
        raise invalid(
            f"The {_WITHDRAWN} parameter is no longer supported.",
            code=f"{_WITHDRAWN}_no_longer_supported",
            param=_WITHDRAWN,
        )
    declared = _params_of(route.method, route.pattern)
    if declared is not None:
        _check_fields(params, _fields(declared), "")


@cache
def _params_of(method: str, pattern: str) -> type | None:
    """Return the SDK's type for an endpoint; None without the SDK, or such a type."""
    try:
        from stripe import params
    except ImportError:
        _say_once()
        return None
    parts = pattern.split("/")
    module = getattr(params, parts[0], None)
    if isinstance(module, ModuleType):
        parts = parts[1:]
    else:
        module = params
    name = f"{_camel(parts[0].removesuffix('s'))}{_action(method, parts)}Params"
    found = getattr(module, name, None)
    return found if isinstance(found, type) else None


@cache
def _say_once() -> None:
    sys.stderr.write(_UNCHECKED)


def _action(method: str, parts: list[str]) -> str:
    """Return what the SDK calls the method: ``Create``, ``Capture``, ``Search``."""
    last = parts[-1]
    if len(parts) > 1 and last != "*":
        return _camel(last)
    one = last == "*" or not last.endswith("s")
    table = {
        ("GET", True): "Retrieve",
        ("GET", False): "List",
        ("POST", True): "Update",
        ("POST", False): "Create",
        ("DELETE", True): "Delete",
    }
    return table.get((method, one), "")


def _camel(name: str) -> str:
    return name.title().replace("_", "")


@cache
def _fields(declared: type) -> _Fields:
    """Read a ``TypedDict`` of the SDK, without the options of the request itself."""
    own = {
        name: hint
        for name, hint in declared.__annotations__.items()
        if name not in _request_options()
    }
    # Not the type itself: the options' annotations are not there at run time.
    bare = type("Bare", (), {"__annotations__": own, "__module__": declared.__module__})
    hints = typing.get_type_hints(bare)
    required: frozenset[str] = getattr(declared, "__required_keys__", frozenset())
    types = {name: _type_of(hint) for name, hint in hints.items()}
    return _Fields(types, frozenset(required & types.keys()))


@cache
def _request_options() -> frozenset[str]:
    from stripe import RequestOptions

    return frozenset(RequestOptions.__annotations__)


_PLAIN: Final[Mapping[object, _Type]] = {
    str: _Type(text=True),
    int: _Type(number=True),
    float: _Type(real=True),
    bool: _Type(flag=True),
}


def _type_of(hint: object) -> _Type:
    """Translate one annotation."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return _either([_type_of(one) for one in inner])
    if origin is typing.Literal:
        return _Type(words=tuple(map(str, inner)))
    if origin is list:
        return _Type(items=_type_of(inner[0]))
    if isinstance(hint, type) and hasattr(hint, "__required_keys__"):
        return _Type(objects=(hint,))
    # Dictionaries, and the SDK's own class for them.
    return _Type(table=True)


def _either(types: list[_Type]) -> _Type:
    lists = [one.items for one in types if one.items is not None]
    return _Type(
        objects=tuple(declared for one in types for declared in one.objects),
        items=_either(lists) if lists else None,
        table=any(one.table for one in types),
        words=tuple(word for one in types for word in one.words),
        text=any(one.text for one in types),
        number=any(one.number for one in types),
        real=any(one.real for one in types),
        flag=any(one.flag for one in types),
    )


def _check_fields(values: Form, fields: _Fields, prefix: str) -> None:
    unknown = [_inside(prefix, name) for name in values if name not in fields.types]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise invalid(
            f"Received unknown parameter{plural}: {', '.join(unknown)}",
            code="parameter_unknown",
            param=unknown[0],
        )
    for name in sorted(fields.required):
        if name not in values:
            raise missing(_inside(prefix, name))
    for name, value in values.items():
        _check(value, fields.types[name], _inside(prefix, name))


def _check(value: object, declared: _Type, name: str) -> None:
    """Compare one value, and whatever is in it."""
    if isinstance(value, dict):
        _check_group(value, declared, name)
    elif isinstance(value, list):
        if declared.items is None:
            raise _ill_typed("array", name)
        for position, item in enumerate(value):
            _check(item, declared.items, _inside(name, str(position)))
    elif not _fits(str(value), declared):
        raise _misfit(str(value), declared, name)


def _check_group(value: Form, declared: _Type, name: str) -> None:
    if declared.table:
        return
    if not declared.objects:
        raise _ill_typed("object", name)
    fields = [_fields(one) for one in declared.objects]
    required = frozenset.intersection(*(one.required for one in fields))
    types = {field: kind for one in fields for field, kind in one.types.items()}
    _check_fields(value, _Fields(types, required), name)


def _fits(text: str, declared: _Type) -> bool:
    if text == "":
        return "" in declared.words
    return (
        declared.text
        or text in declared.words
        or (declared.flag and text in _FLAGS)
        or (declared.number and _INTEGER.fullmatch(text) is not None)
        or (declared.real and _REAL.fullmatch(text) is not None)
    )


def _misfit(text: str, declared: _Type, name: str) -> ProviderError:
    """Return why `text` is no value of this type."""
    if text == "":
        return invalid(
            f"You passed an empty string for '{name}'. We assume empty values are an "
            f"attempt to unset a parameter; however '{name}' cannot be unset. You "
            f"should remove '{name}' from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=name,
        )
    if declared.number:
        message = f"Invalid integer: {text}"
        return invalid(message, code="parameter_invalid_integer", param=name)
    words = [word for word in declared.words if word]
    if words:
        message = f"Invalid {name}: must be one of {', '.join(words)}"
        return invalid(message, code=None, param=name)
    if declared.flag:
        return _ill_typed("boolean", name)
    if declared.items is not None:
        return _ill_typed("array", name)
    return _ill_typed("object", name)


def _ill_typed(kind: str, name: str) -> ProviderError:
    return invalid(f"Invalid {kind}: {name}", code=None, param=name)


def _inside(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name
