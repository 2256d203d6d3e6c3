"""The suite as one class: every chapter of rules, on one base."""

from __future__ import annotations

from paykit.testing.conformance.amounts import AmountRules
from paykit.testing.conformance.balance import BalanceRules
from paykit.testing.conformance.base import SignedWebhook
from paykit.testing.conformance.capturing import CapturingRules
from paykit.testing.conformance.client import Client
from paykit.testing.conformance.increasing import IncreasingRules
from paykit.testing.conformance.keys import KeyRules
from paykit.testing.conformance.listing import ListingRules
from paykit.testing.conformance.parts import PartsRules
from paykit.testing.conformance.paying import PayingRules
from paykit.testing.conformance.paying_out import PayingOutRules
from paykit.testing.conformance.preparing import PreparingRules
from paykit.testing.conformance.reading import ReadingRules
from paykit.testing.conformance.refunding import RefundingRules
from paykit.testing.conformance.subscribing import SubscribingRules
from paykit.testing.conformance.trouble import TroubleRules
from paykit.testing.conformance.updating import UpdatingRules
from paykit.testing.conformance.webhooks import WebhookRules

__all__ = ["Client", "PspConformance", "SignedWebhook"]


class PspConformance(
    PreparingRules,
    PayingRules,
    AmountRules,
    CapturingRules,
    PartsRules,
    IncreasingRules,
    UpdatingRules,
    RefundingRules,
    KeyRules,
    ReadingRules,
    BalanceRules,
    PayingOutRules,
    SubscribingRules,
    ListingRules,
    TroubleRules,
    WebhookRules,
):
    """
    Every promise of `paykit.psp.Psp` and `AsyncPsp`, as tests; see the package.

    A subclass, named so that pytest collects it, gives the attributes and fixtures of
    `paykit.testing.conformance.base.Base`. Overriding a test gives up a promise.
    """
