"""What is true of one major release of Stripe's SDK only."""

from __future__ import annotations

from typing import Final

import pytest
import stripe

from paykit.stripe import API_VERSION

__all__ = ["of_our_api_version", "of_sdk_16"]

of_sdk_16: Final = pytest.mark.skipif(
    int(stripe.VERSION.partition(".")[0]) < 16,
    reason="stripe 15 does this otherwise; what paykit makes of it is tested with both",
)
"""For facts about the SDK itself."""

of_our_api_version: Final = pytest.mark.skipif(
    stripe.api_version != API_VERSION,
    reason="this SDK declares the objects of another API version than paykit speaks",
)
"""For comparisons with the fields that the SDK declares."""
