"""
Is an adapter for a payment service provider safe to take money with? One suite says so.
`PublisherConformance` says the same of a publisher, and an event.

Subclass `PspConformance` in a test module, say how to reach the provider's test mode,
and run pytest. The suite asks only through `prepare`, `send` and the webhook functions,
and believes only what the provider shows afterwards::

    from paykit import Money
    from paykit.testing.conformance import PspConformance, SignedWebhook

    class TestAcmePsp(PspConformance):
        good_method = "pm_acme_ok"
        declined_method = "pm_acme_no"
        challenged_method = "pm_acme_3ds"
        slow_method = "pm_acme_debit"
        other_amounts = (Money(1000, "jpy"), Money(1000, "kwd"))
        open_words = (("type",), ("payment", "state"))

        @pytest.fixture
        def psp(self):
            return AcmePsp("sk_test_...", webhook_secret="...")

        @pytest.fixture
        def lose_answer(self, proxy):          # left out: those tests are skipped
            return proxy.cut_the_next_answer_to

        @pytest.fixture
        def answer_with(self, proxy):
            return proxy.answer_the_next_request_with

        @pytest.fixture
        def webhook(self):
            return SignedWebhook(body=..., headers=..., signed_at=...)

``psp`` may be a `Psp` or an `AsyncPsp`; test both if you offer both. What the adapter's
`Capabilities` leave out, and what no hook was given for, is skipped with its reason.
Keys and metadata are new in every run, so the suite may run against a provider that
remembers the last one. It refuses an adapter in live mode.

It needs pytest, which paykit itself does not: import it in tests only.
"""

from __future__ import annotations

import pytest

# Before the import: it makes pytest show the values in a failed assertion.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in (
            "amounts",
            "answers",
            "balance",
            "capturing",
            "increasing",
            "keys",
            "listing",
            "parts",
            "paying",
            "paying_out",
            "preparing",
            "publishing",
            "reading",
            "refunding",
            "subscribing",
            "trouble",
            "updating",
            "webhooks",
        )
    )
)

from paykit.testing.conformance.base import Failure  # noqa: E402
from paykit.testing.conformance.publishing import PublisherConformance  # noqa: E402
from paykit.testing.conformance.suite import (  # noqa: E402
    Client,
    PspConformance,
    SignedWebhook,
)

__all__ = [
    "Client",
    "Failure",
    "PspConformance",
    "PublisherConformance",
    "SignedWebhook",
]
