"""What may happen: lifecycles as data, and what is generated from them."""

from paykit.lifecycle.dispute import (
    DISPUTE,
    DISPUTE_CLOSED,
    DISPUTE_FUNDS_GONE,
    DisputeEvent,
    DisputeState,
)
from paykit.lifecycle.machine import fire
from paykit.lifecycle.payment import (
    PAYMENT,
    UNFINISHED,
    UNSETTLED,
    PaymentEvent,
    PaymentState,
)
from paykit.lifecycle.payout import PAYOUT, PayoutEvent, PayoutState
from paykit.lifecycle.refund import REFUND, RefundEvent, RefundState
from paykit.lifecycle.subscription import (
    SUBSCRIPTION,
    SUBSCRIPTION_ENDED,
    SubscriptionEvent,
    SubscriptionState,
)
from paykit.lifecycle.table import By, Lifecycle, Transition

__all__ = [
    "By",
    "DISPUTE",
    "DISPUTE_CLOSED",
    "DISPUTE_FUNDS_GONE",
    "DisputeEvent",
    "DisputeState",
    "Lifecycle",
    "PAYMENT",
    "PAYOUT",
    "PaymentEvent",
    "PaymentState",
    "PayoutEvent",
    "PayoutState",
    "REFUND",
    "RefundEvent",
    "RefundState",
    "SUBSCRIPTION",
    "SUBSCRIPTION_ENDED",
    "SubscriptionEvent",
    "SubscriptionState",
    "Transition",
    "UNFINISHED",
    "UNSETTLED",
    "fire",
]
