"""
The face of paykit: `PaymentService` for blocking applications, `AsyncPaymentService`
for asyncio. Both have the same methods and run the very same operations.

Every write takes an `idempotency_key`: repeat a call with the same key and nothing
happens twice; you get the same result, today and in years. `merchant` is for hosts that
serve several; a single shop never needs it.

What writes can raise, beyond `InvalidRequest` for bad input: `IdempotencyKeyReused`,
`InProgress`, `OutcomeUnknown`, `PspUnavailable`, `PspRejected`, `PspMisconfigured`,
`NotFound` and `NotAllowed`; any call raises `SchemaOutOfDate` until ``paykit migrate``
has run; see `paykit.errors` for what each one asks of the host.
"""

from __future__ import annotations

from paykit.service.asynchronous import AsyncPaymentService
from paykit.service.blocking import PaymentService

__all__ = ["AsyncPaymentService", "PaymentService"]
