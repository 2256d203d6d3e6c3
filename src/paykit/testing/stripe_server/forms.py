"""
Stripe's parameters: nested values in a flat form, ``metadata[order]=7&expand[0]=x``.

Everything stays text; what is a number is for the endpoint to say.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

__all__ = ["Form", "MalformedForm", "decode_form"]

Form: TypeAlias = dict[str, object]
"""Texts, lists and further forms, by name."""

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_DEEPEST: Final = 8


class MalformedForm(ValueError):
    """The parameters contradict one another or are not well-formed."""


def decode_form(text: str) -> Form:
    """
    Return the nested parameters in `text`, a query string or the body of a form.

    ``a[]=1`` and ``a[0]=1`` are lists, in the order of the indexes. Raises
    `MalformedForm` if a name is broken, too deep, or both a value and a group.
    """
    root: Form = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        steps = _steps(name)
        group = root
        for step in steps[:-1]:
            inner = group.setdefault(step, {})
            if not isinstance(inner, dict):
                raise MalformedForm(f"{name} is a value and a group")
            group = inner
        _put(group, steps[-1], value, name)
    return {name: _lists(value) for name, value in root.items()}


def _steps(name: str) -> list[str]:
    """Return the path that ``a[b][c]`` means."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise MalformedForm(f"broken parameter name: {name[:40]}")
    steps = [match[1], *match[2][1:-1].split("][")] if match[2] else [match[1]]
    if len(steps) > _DEEPEST:
        raise MalformedForm("the parameters are nested too deeply")
    return steps


def _put(group: Form, step: str, value: str, name: str) -> None:
    """Set the last step of a path; ``[]`` takes the next free index."""
    if not step:
        step = str(len(group))
    if isinstance(group.get(step), dict):
        raise MalformedForm(f"{name} is a value and a group")
    group[step] = value


def _lists(value: object) -> object:
    """Return `value` with every group whose names are all indexes made a list."""
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(item) for name, item in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
