"""The endpoints of SetupIntents: saving a payment method, without any money."""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated.account_objects import SimSetupIntent
from paykit.testing.simulated.errors import ProviderError, invalid, not_found, refusal
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import Json, SimDecline
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = ["authenticate", "cancel", "confirm", "create", "setup_of", "update"]

_OPEN: Final = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
)
_REASONS: Final = ("abandoned", "duplicate", "requested_by_customer")
_USAGES: Final = ("off_session", "on_session")

_ONLY_CHARGES_FAIL: Final = "0341"
"""The end of the test card that can be saved, and whose charges fail."""

_AUTHENTICATION_FAILED: Final = SimDecline(
    "setup_intent_authentication_failure",
    None,
    None,
    "The provided PaymentMethod has failed authentication.",
)


def create(state: State, _target: str, params: Params) -> SimSetupIntent:
    """``POST /v1/setup_intents``."""
    usage = params.text("usage") or "off_session"
    if usage not in _USAGES:
        message = f"Invalid usage: must be one of {', '.join(_USAGES)}"
        raise invalid(message, code=None, param="usage")
    _known_method(params)
    automatic = params.table("automatic_payment_methods")
    setup = SimSetupIntent(
        id=state.new_id("seti"),
        created=state.now(),
        usage=usage,
        redirects=automatic.get("allow_redirects") != "never",
    )
    state.setups[setup.id] = setup
    _apply(setup, params)
    state.emit("setup_intent.created", setup)
    if params.flag("confirm"):
        _confirm(state, setup, params)
    return setup


def update(state: State, target: str, params: Params) -> SimSetupIntent:
    """``POST /v1/setup_intents/:id``; Stripe sends no event for it."""
    setup = setup_of(state, target)
    _known_method(params)
    _require(setup, "updated")
    _apply(setup, params)
    return setup


def confirm(state: State, target: str, params: Params) -> SimSetupIntent:
    """``POST /v1/setup_intents/:id/confirm``."""
    setup = setup_of(state, target)
    _known_method(params)
    _confirm(state, setup, params)
    return setup


def cancel(state: State, target: str, params: Params) -> SimSetupIntent:
    """``POST /v1/setup_intents/:id/cancel``."""
    setup = setup_of(state, target)
    reason = params.text("cancellation_reason")
    if reason is not None and reason not in _REASONS:
        message = f"Invalid cancellation_reason: must be one of {', '.join(_REASONS)}"
        raise invalid(message, code=None, param="cancellation_reason")
    _require(setup, "canceled")
    setup.status, setup.cancellation_reason = "canceled", reason
    state.emit("setup_intent.canceled", setup)
    return setup


def authenticate(state: State, setup: SimSetupIntent, *, success: bool) -> None:
    """Let the payer finish (or fail) what `next_action` asked for."""
    if setup.status != "requires_action":
        raise _unexpected(setup, "authenticated", ("requires_action",))
    if success:
        _succeed(state, setup)
    else:
        _fail(state, setup, _AUTHENTICATION_FAILED)


def setup_of(state: State, reference: str) -> SimSetupIntent:
    """Return the setup intent, or raise 404."""
    setup = state.setups.get(reference)
    if setup is None:
        raise not_found("setupintent", reference, param="intent")
    return setup


def _confirm(state: State, setup: SimSetupIntent, params: Params) -> None:
    _require(setup, "confirmed")
    _apply(setup, params)
    setup.return_url = params.text("return_url") or setup.return_url
    if setup.payment_method is None:
        raise refusal(
            "You cannot confirm this SetupIntent because it's missing a payment "
            "method. Update the SetupIntent with a payment method and then confirm it "
            "again.",
            code="setup_intent_unexpected_state",
        )
    if (
        setup.redirects
        and setup.return_url is None
        and not params.flag("use_stripe_sdk")
    ):
        raise invalid(
            "This SetupIntent is configured to accept payment methods that might "
            "redirect your customer off of your page: you must provide a `return_url`, "
            "or set `automatic_payment_methods[allow_redirects]` to `never`.",
            code=None,
            param="return_url",
        )
    _attempt(state, setup)


def _attempt(state: State, setup: SimSetupIntent) -> None:
    """Ask the issuer, or the payer first."""
    method = METHODS[setup.payment_method or ""]
    setup.last_error = None
    if method.authenticate in ("always", "on_session"):
        setup.status = "requires_action"
        state.emit("setup_intent.requires_action", setup)
    elif method.decline is None or method.last4 == _ONLY_CHARGES_FAIL:
        _succeed(state, setup)
    else:
        _fail(state, setup, method.decline)
        raise _declined(setup, method.decline)


def _succeed(state: State, setup: SimSetupIntent) -> None:
    setup.status = "succeeded"
    state.emit("setup_intent.succeeded", setup)


def _fail(state: State, setup: SimSetupIntent, decline: SimDecline) -> None:
    """End an attempt: the setup waits for another payment method."""
    error: Json = {
        "type": "card_error",
        "code": decline.code,
        "message": decline.message,
    }
    if decline.decline_code is not None:
        error["decline_code"] = decline.decline_code
    setup.last_error = error
    setup.status, setup.payment_method = "requires_payment_method", None
    state.emit("setup_intent.setup_failed", setup)


def _apply(setup: SimSetupIntent, params: Params) -> None:
    setup.metadata = params.metadata(setup.metadata)
    setup.customer = params.text("customer") or setup.customer
    setup.description = params.text("description") or setup.description
    method = params.text("payment_method")
    if method is not None:
        setup.payment_method = method
        if setup.status == "requires_payment_method":
            setup.status = "requires_confirmation"


def _known_method(params: Params) -> None:
    method = params.text("payment_method")
    if method is not None and method not in METHODS:
        raise not_found("PaymentMethod", method, param="payment_method")


def _require(setup: SimSetupIntent, done: str) -> None:
    if setup.status not in _OPEN:
        raise _unexpected(setup, done, _OPEN)


def _unexpected(
    setup: SimSetupIntent, done: str, statuses: tuple[str, ...]
) -> ProviderError:
    error = refusal(
        f"This SetupIntent could not be {done} because it has a status of "
        f"{setup.status}. Only a SetupIntent with one of the following statuses may be "
        f"{done}: {', '.join(statuses)}.",
        code="setup_intent_unexpected_state",
    )
    error.setup = setup
    return error


def _declined(setup: SimSetupIntent, decline: SimDecline) -> ProviderError:
    return ProviderError(
        status=402,
        type="card_error",
        message=decline.message,
        code=decline.code,
        decline=decline,
        setup=setup,
        executed=True,
    )
