"""The shops that these tests share."""

from __future__ import annotations

from tests.support import quick, shop

__all__ = ["quick", "shop"]
