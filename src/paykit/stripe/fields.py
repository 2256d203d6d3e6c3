"""
Typed access to the JSON that Stripe sends, as plain dicts.

No SDK object is built from a response: that costs three to eight times as much as the
parsing, and such an object carries the secret key into every pickle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias, cast

__all__ = [
    "JsonObject",
    "Unreadable",
    "child",
    "children",
    "flag",
    "integer",
    "moment",
    "optional_integer",
    "optional_text",
    "parse",
    "reference",
    "strings",
    "text",
]

JsonObject: TypeAlias = Mapping[str, object]
"""A JSON object; its values are looked at through this module only."""

_LARGEST: Final = 2**63 - 1
"""What a ``bigint`` column holds."""


class Unreadable(ValueError):
    """Stripe's JSON is not what its API documents. Names the field, not its value."""


def parse(body: bytes) -> JsonObject:
    """Return the JSON object in `body`; raises `Unreadable`, whatever the bytes."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        # `from None`: a decoding error quotes the body.
        raise Unreadable(f"the body is no JSON: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise Unreadable("the body is no JSON object")
    return found


def text(thing: JsonObject, name: str) -> str:
    """Return a field that must be a string."""
    value = thing.get(name)
    if not isinstance(value, str):
        raise _unreadable(thing, name, "string")
    return value


def optional_text(thing: JsonObject, name: str) -> str | None:
    """Return a field that may be absent or null."""
    return None if thing.get(name) is None else text(thing, name)


def integer(thing: JsonObject, name: str) -> int:
    """Return a field that must be an integer that a column can hold."""
    value = thing.get(name)
    if type(value) is not int or abs(value) > _LARGEST:  # bool is a subclass of int
        raise _unreadable(thing, name, "integer")
    return value


def optional_integer(thing: JsonObject, name: str) -> int | None:
    """Return an integer that may be absent or null."""
    return None if thing.get(name) is None else integer(thing, name)


def flag(thing: JsonObject, name: str) -> bool:
    """Return a field that is true or false; absent or null is false."""
    value = thing.get(name)
    if value is not None and not isinstance(value, bool):
        raise _unreadable(thing, name, "boolean")
    return value is True


def moment(thing: JsonObject, name: str) -> datetime | None:
    """Return a field of Unix seconds (v2: ISO 8601 text), which may be absent."""
    value = thing.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(UTC)
        return datetime.fromtimestamp(integer(thing, name), UTC)
    except (ValueError, OverflowError, OSError):
        raise _unreadable(thing, name, "time") from None


def child(thing: JsonObject, name: str) -> JsonObject | None:
    """Return a field that is an object, or absent, or null."""
    value = thing.get(name)
    if value is not None and not isinstance(value, dict):
        raise _unreadable(thing, name, "object")
    return value


def children(thing: JsonObject, name: str) -> list[JsonObject]:
    """Return a field that must be an array of objects."""
    value = thing.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _unreadable(thing, name, "array of objects")
    return value


def strings(thing: JsonObject, name: str) -> dict[str, str]:
    """Return a field that maps strings to strings (metadata), or is absent or null."""
    found = child(thing, name) or {}
    if not all(isinstance(value, str) for value in found.values()):
        raise _unreadable(thing, name, "map of strings")
    return cast("dict[str, str]", dict(found))


def reference(thing: JsonObject, name: str) -> str | None:
    """Return the id in an expandable field: the id itself, or an object that has it."""
    value = thing.get(name)
    return text(value, "id") if isinstance(value, dict) else optional_text(thing, name)


def _unreadable(thing: JsonObject, name: str, expected: str) -> Unreadable:
    """Name the field; the kind of object is Stripe's word, unless it is nonsense."""
    kind = thing.get("object")
    known = isinstance(kind, str) and kind.isidentifier() and len(kind) < 40
    return Unreadable(f"{kind if known else 'object'}.{name} is no {expected}")
