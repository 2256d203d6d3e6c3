"""
What a publishable key may do: what Stripe.js does in a payer's browser.

It confirms one payment and looks at it, and proves with the payment's client secret
that the merchant gave it out. Everything else needs a secret key.
"""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated.errors import ProviderError, missing
from paykit.testing.stripe_server.forms import Form

__all__ = ["check_browser"]

_ALLOWED: Final = frozenset({"confirm_payment", "read_payment"})


def check_browser(verb: str, params: Form) -> None:
    """Refuse what a publishable key may not do; raises `ProviderError` 403 or 400."""
    if verb not in _ALLOWED:
        raise ProviderError(
            status=403,
            type="invalid_request_error",
            message="This API call cannot be made with a publishable API key. Please "
            "use a secret API key. You can find a list of your API keys at "
            "https://dashboard.stripe.com/account/apikeys.",
            code="secret_key_required",
        )
    if not params.get("client_secret"):
        raise missing("client_secret")
