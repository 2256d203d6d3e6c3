"""API keys: whether one is, and whose it is."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["ApiKey", "read_key"]

_KEY: Final = re.compile(r"(sk|rk|pk)_test_(\w+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of Stripe's test mode. What follows ``sk_test_`` is the tenant's name."""

    tenant: str
    publishable: bool
    """Whether it may stand in a browser, and so do next to nothing."""


def read_key(headers: Mapping[str, str]) -> ApiKey | None:
    """
    Return the key in ``Authorization``, as a bearer's or as the user of Basic.

    None if there is none, or if it is not one of the test mode: secret (``sk_test_``),
    restricted (``rk_test_``) or publishable (``pk_test_``).
    """
    kind, _, value = headers.get("authorization", "").partition(" ")
    text = _user(value) if kind.lower() == "basic" else value
    found = _KEY.fullmatch(text.strip())
    return None if found is None else ApiKey(found[2], found[1] == "pk")


def _user(value: str) -> str:
    """Return the user in Basic credentials; empty if they are none."""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
