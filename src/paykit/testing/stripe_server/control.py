"""
``/_test/``: how another process steers the provider and looks at what it did.

The bodies are JSON. None of this exists at Stripe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from paykit.testing.simulated import Fault, ProviderError, SimulatedProvider
from paykit.testing.stripe_server.api import HttpReply, HttpRequest, json_reply
from paykit.testing.stripe_server.delivery import Deliveries
from paykit.testing.stripe_server.forms import Form

__all__ = ["PREFIX", "control"]

PREFIX: Final = "/_test/"

_Deliver = Callable[[], Deliveries | None]
_Control = Callable[[SimulatedProvider, Form, _Deliver], Mapping[str, object]]


def control(
    sim: SimulatedProvider, request: HttpRequest, deliver: _Deliver
) -> HttpReply:
    """Do what a request to ``/_test/<name>`` asks for."""
    name = request.target.removeprefix(PREFIX)
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
    """``{"fault": "lose_answer", "verb": "confirm_payment", "times": 1}``"""
    verb, times = args.get("verb"), args.get("times", 1)
    if not isinstance(times, int) or not isinstance(verb, str | None):
        raise TypeError("times is an integer, verb a text or null")
    sim.faults.add(Fault(_text(args, "fault")), verb=verb, times=times)
    return {}


def _clear_faults(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    sim.faults.clear()
    return {}


def _complete_authentication(sim: SimulatedProvider, args: Form, _: _Deliver) -> Form:
    """``{"intent": "pi_...", "success": true}``"""
    success = args.get("success", True) is True
    sim.complete_authentication(_text(args, "intent"), success=success)
    return {}


def _settle_refunds(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    sim.settle_refunds()
    return {}


def _settle_charges(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    sim.settle_charges()
    return {}


def _expire(sim: SimulatedProvider, args: Form, _: _Deliver) -> Form:
    """``{"intent": "pi_..."}``"""
    sim.expire_authorization(_text(args, "intent"))
    return {}


def _return_debit(sim: SimulatedProvider, args: Form, _: _Deliver) -> Form:
    """``{"intent": "pi_..."}``"""
    sim.return_debit(_text(args, "intent"))
    return {}


def _effects(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    return sim.effects().as_json()


def _state(sim: SimulatedProvider, _args: Form, _: _Deliver) -> Form:
    return sim.dump()


def _deliver_webhooks(_sim: SimulatedProvider, _args: Form, deliver: _Deliver) -> Form:
    """Try every open webhook once, now."""
    done = deliver()
    if done is None:
        raise ValueError("the server was started without a webhook URL")
    return {
        "delivered": done.delivered,
        "failed": done.failed,
        "dropped": done.dropped,
    }


def _text(args: Form, name: str) -> str:
    value = args[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text")
    return value


_CONTROLS: Final[Mapping[tuple[str, str], _Control]] = {
    ("POST", "faults"): _add_fault,
    ("POST", "clear_faults"): _clear_faults,
    ("POST", "complete_authentication"): _complete_authentication,
    ("POST", "settle_refunds"): _settle_refunds,
    ("POST", "settle_charges"): _settle_charges,
    ("POST", "expire"): _expire,
    ("POST", "return_debit"): _return_debit,
    ("POST", "deliver_webhooks"): _deliver_webhooks,
    ("GET", "effects"): _effects,
    ("GET", "state"): _state,
}
