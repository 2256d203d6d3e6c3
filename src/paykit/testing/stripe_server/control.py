"""
``/_test/``: how another process steers the provider and looks at what it did.

The bodies are JSON. None of this exists at Stripe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from paykit.testing.simulated import Fault, ProviderError, SimulatedProvider
from paykit.testing.simulated.limits import read_limits
from paykit.testing.stripe_server import account_controls
from paykit.testing.stripe_server.api import HttpReply, HttpRequest, json_reply
from paykit.testing.stripe_server.delivery import Deliveries
from paykit.testing.stripe_server.forms import Form

__all__ = ["PREFIX", "control"]

PREFIX: Final = "/_test/"

_Deliver = Callable[[], Deliveries]
_Control = Callable[[SimulatedProvider, Form, _Deliver], Mapping[str, object]]


def control(
    sim: SimulatedProvider, request: HttpRequest, deliver: _Deliver
) -> HttpReply:
    """Do what a request to ``/_test/<name>`` asks for."""
    name = request.target.removeprefix(PREFIX).partition("?")[0]
    act = _CONTROLS.get((request.method, name))
    if act is None:
        known = [f"{method} {PREFIX}{name}" for method, name in _CONTROLS]
        return json_reply(404, {"error": "no such control", "known": known})
    try:
        return json_reply(200, act(sim, _args(request.body), deliver))
    except (LookupError, ProviderError, TypeError, ValueError) as error:
        return json_reply(400, {"error": f"{type(error).__name__}: {error}"})


def _args(body: bytes) -> Form:
    """Return what the body says, nothing if there is none."""
    args = json.loads(body) if body else {}
    if not isinstance(args, dict):
        raise TypeError("the body is a JSON object")
    return args


def _add_fault(sim: SimulatedProvider, args: Form, _: _Deliver) -> Form:
    """
    ``{"fault": "lose_answer", "verb": "confirm_payment", "times": 1}``

    ``"times": null`` is until it is called off, or for ``for_seconds`` by the
    provider's clock. ``account``, ``seconds`` and ``should_retry`` are those of
    `Faults.add`.
    """
    lasts = _checked(args, "for_seconds", int | float | None)
    sim.faults.add(
        Fault(_text(args, "fault")),
        verb=_checked(args, "verb", str | None),
        account=_checked(args, "account", str | None),
        times=_checked({"times": 1, **args}, "times", int | None),
        seconds=_checked({"seconds": 0.0, **args}, "seconds", int | float),
        until=None if lasts is None else sim.world.now() + timedelta(seconds=lasts),
        should_retry=_checked(args, "should_retry", bool | None),
    )
    return {}


def _clear_faults(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    """Call off the faults that have not happened yet, and outages."""
    sim.faults.clear()
    return {}


def _set_limits(sim: SimulatedProvider, args: Form, _: _Deliver) -> Form:
    """``{"limits": "live"}``, ``"test"``, ``"100/25"``, or null for no limits."""
    text = _checked(args, "limits", str | None)
    sim.limits = None if text is None else read_limits(text)
    return {}


def _reset(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    """Forget the tenant's objects, keys, events, endpoints and planned faults."""
    sim.reset()
    return {}


def _complete_authentication(sim: SimulatedProvider, args: Form, _: _Deliver) -> Form:
    """``{"intent": "pi_...", "success": true}``: the payer passes 3-D Secure."""
    success = args.get("success", True) is True
    sim.complete_authentication(_text(args, "intent"), success=success)
    return {}


def _settle_refunds(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    """Let pending refunds succeed, and those that are to fail, fail."""
    sim.settle_refunds()
    return {}


def _settle_charges(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    """Let the charges of slow payment methods come to their end."""
    sim.settle_charges()
    return {}


def _expire(sim: SimulatedProvider, args: Form, _: _Deliver) -> Form:
    """``{"intent": "pi_..."}``: the authorization runs out."""
    sim.expire_authorization(_text(args, "intent"))
    return {}


def _return_debit(sim: SimulatedProvider, args: Form, _: _Deliver) -> Form:
    """``{"intent": "pi_..."}``: a succeeded debit fails after all."""
    sim.return_debit(_text(args, "intent"))
    return {}


def _effects(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    """Count what happened to every payment: attempts, charges, refunds."""
    return sim.effects().as_json()


def _state(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    """Show everything that the tenant's provider remembers."""
    return sim.dump()


def _deliver_webhooks(_sim: SimulatedProvider, _args: Form, deliver: _Deliver) -> Form:
    """Try every open webhook once, now."""
    done = deliver()
    return {
        "delivered": done.delivered,
        "failed": done.failed,
        "dropped": done.dropped,
    }


def _around(name: str) -> _Control:
    """Return what does `name` of `Controls`; its arguments are the body."""
    return lambda sim, args, _: account_controls.act(sim.controls, name, args)


def _text(args: Form, name: str) -> str:
    value = args[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text")
    return value


def _checked(args: Form, name: str, kind: Any) -> Any:
    """Return what `args` has for `name`, null without it, if it is of that kind."""
    value = args.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind != bool | None):
        raise TypeError(f"{name} is not of the kind {kind}")
    return value


_CONTROLS: Final[Mapping[tuple[str, str], _Control]] = {
    ("POST", "faults"): _add_fault,
    ("POST", "clear_faults"): _clear_faults,
    ("POST", "limits"): _set_limits,
    ("POST", "reset"): _reset,
    ("POST", "complete_authentication"): _complete_authentication,
    ("POST", "settle_refunds"): _settle_refunds,
    ("POST", "settle_charges"): _settle_charges,
    ("POST", "expire"): _expire,
    ("POST", "return_debit"): _return_debit,
    ("POST", "deliver_webhooks"): _deliver_webhooks,
    **{("POST", name): _around(name) for name in account_controls.TAKES},
    ("GET", "effects"): _effects,
    ("GET", "state"): _state,
}
