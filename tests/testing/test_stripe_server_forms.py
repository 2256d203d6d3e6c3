"""Forms come apart into what the SDK put together."""

from __future__ import annotations

import pytest

from paykit.testing.stripe_server.forms import MalformedForm, decode_form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", {}),
        ("amount=100&currency=usd", {"amount": "100", "currency": "usd"}),
        ("metadata[order]=7&metadata[a]=", {"metadata": {"order": "7", "a": ""}}),
        ("expand[0]=a&expand[1]=b", {"expand": ["a", "b"]}),
        ("expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("created[gte]=5", {"created": {"gte": "5"}}),
        ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        ("a[0][b]=1&a[1][b]=2", {"a": [{"b": "1"}, {"b": "2"}]}),
        ("description=caf%C3%A9+%26+more", {"description": "café & more"}),
        ("7=x", {"7": "x"}),
    ],
)
def test_nested_names_become_nested_values(text: str, form: object) -> None:
    assert decode_form(text) == form


@pytest.mark.parametrize(
    "text",
    [
        "a=1&a[b]=2",
        "a[b]=2&a=1",
        "a[=1",
        "]a=1",
        "a[b]c=1",
        "[a]=1",
        "a" + "[b]" * 9 + "=1",
    ],
)
def test_contradictions_are_refused(text: str) -> None:
    with pytest.raises(MalformedForm):
        decode_form(text)
