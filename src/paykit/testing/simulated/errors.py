"""What the simulated provider refuses with: Stripe's statuses, types and codes."""

from __future__ import annotations

from dataclasses import dataclass

from paykit.testing.simulated.account_objects import SimSetupIntent
from paykit.testing.simulated.objects import SimDecline, SimIntent

__all__ = [
    "ProviderError",
    "card_error",
    "charge_already_refunded",
    "forbidden",
    "idempotency_error",
    "invalid",
    "key_in_use",
    "missing",
    "not_found",
    "refusal",
    "server_error",
    "too_many",
    "unauthorized",
    "unexpected_state",
]


@dataclass(eq=False, kw_only=True)
class ProviderError(Exception):
    """A refusal, as the provider would put it on the wire."""

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None
    decline: SimDecline | None = None
    intent: SimIntent | None = None
    setup: SimSetupIntent | None = None
    executed: bool = False
    """Whether the request began to execute: only then its key keeps the answer."""

    def __post_init__(self) -> None:
        super().__init__(self.message)


def invalid(message: str, *, code: str | None, param: str | None) -> ProviderError:
    """Refuse a parameter: 400, nothing was executed."""
    return ProviderError(
        status=400,
        type="invalid_request_error",
        message=message,
        code=code,
        param=param,
    )


def refusal(
    message: str, *, code: str | None, param: str | None = None
) -> ProviderError:
    """Refuse what the object's state does not allow: 400, and the key remembers it."""
    error = invalid(message, code=code, param=param)
    error.executed = True
    return error


def missing(param: str) -> ProviderError:
    """Refuse a request without a required parameter."""
    return invalid(
        f"Missing required param: {param}.", code="parameter_missing", param=param
    )


def not_found(kind: str, reference: str, *, param: str) -> ProviderError:
    """Answer 404: there is no such object."""
    return ProviderError(
        status=404,
        type="invalid_request_error",
        message=f"No such {kind}: '{reference}'",
        code="resource_missing",
        param=param,
    )


def unexpected_state(message: str, intent: SimIntent) -> ProviderError:
    """Refuse what the payment's status does not allow; shows the payment."""
    return ProviderError(
        status=400,
        type="invalid_request_error",
        message=message,
        code="payment_intent_unexpected_state",
        intent=intent,
        executed=True,
    )


def charge_already_refunded(charge: str) -> ProviderError:
    """Refuse a refund of a charge that has nothing left."""
    return ProviderError(
        status=400,
        type="invalid_request_error",
        message=f"Charge {charge} has already been refunded.",
        code="charge_already_refunded",
        executed=True,
    )


def card_error(decline: SimDecline, intent: SimIntent) -> ProviderError:
    """Answer 402: the issuer said no; shows the payment, which can be tried again."""
    return ProviderError(
        status=402,
        type="card_error",
        message=decline.message,
        code=decline.code,
        decline=decline,
        intent=intent,
        executed=True,
    )


def idempotency_error(what: str) -> ProviderError:
    """Refuse a key that was first used for another request."""
    return ProviderError(
        status=400,
        type="idempotency_error",
        message=f"Keys for idempotent requests can only be used {what} they were "
        "first used with. Try using another key if you meant to make a new request.",
    )


def key_in_use() -> ProviderError:
    """Answer 409: a request with this key is running right now."""
    return ProviderError(
        status=409,
        type="invalid_request_error",
        message="There is currently another in-progress request using this "
        "idempotency key. Try again in a moment.",
        code="idempotency_key_in_use",
    )


def too_many(code: str) -> ProviderError:
    """Answer 429 with `code` ``rate_limit`` or ``lock_timeout``; nothing executed."""
    return ProviderError(
        status=429,
        type="invalid_request_error",
        message="Too many requests. Retry with an exponential backoff.",
        code=code,
    )


def unauthorized() -> ProviderError:
    """Answer 401: the API key is none, or no longer."""
    return ProviderError(
        status=401, type="invalid_request_error", message="Invalid API Key provided."
    )


def forbidden() -> ProviderError:
    """Answer 403: the API key may not do that."""
    return ProviderError(
        status=403,
        type="invalid_request_error",
        message="The provided key does not have the required permissions for this "
        "endpoint.",
        code="more_permissions_required",
    )


def server_error() -> ProviderError:
    """Answer 500: "treat the result as indeterminate"."""
    return ProviderError(
        status=500,
        type="api_error",
        message="An unknown error occurred.",
        executed=True,
    )
