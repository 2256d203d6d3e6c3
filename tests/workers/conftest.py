"""The shop that these tests share."""

from __future__ import annotations

from tests.support import shop

__all__ = ["shop"]
