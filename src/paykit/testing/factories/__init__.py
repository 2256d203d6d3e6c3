"""
Stripe's objects and events as JSON, for a host's own tests.

Every body has all the fields of the type in the SDK that paykit is tested with; what
Stripe sends as null is null. Totals follow from the status, so that a body does not
contradict itself, and any field can be overridden: ``payment_intent(amount=500,
status="requires_capture")`` has 500 capturable.

Use these for single events, above all for ones that nobody can provoke. For whole
stories `paykit.testing.simulated` keeps the objects consistent with one another.
"""

from paykit.testing.factories.events import (
    API_VERSION,
    EventFields,
    event,
    thin_event,
)
from paykit.testing.factories.fields import (
    CREATED,
    ChargeFields,
    DisputeFields,
    Json,
    PaymentIntentFields,
    RefundFields,
)
from paykit.testing.factories.objects import charge, dispute, payment_intent, refund

__all__ = [
    "API_VERSION",
    "CREATED",
    "ChargeFields",
    "DisputeFields",
    "EventFields",
    "Json",
    "PaymentIntentFields",
    "RefundFields",
    "charge",
    "dispute",
    "event",
    "payment_intent",
    "refund",
    "thin_event",
]
