"""``/_test/`` for what banks, networks and reviewers do: `simulated.controls`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paykit.testing.simulated.account_objects import SimEndpoint
from paykit.testing.simulated.controls import Controls
from paykit.testing.stripe_server.forms import Form

__all__ = ["TAKES", "act"]

TAKES: Final[Mapping[str, Mapping[str, type]]] = {
    "open_dispute": {"payment": str, "kind": str, "amount": int},
    "resolve_dispute": {"dispute": str, "outcome": str},
    "warn_of_fraud": {"payment": str, "fraud_type": str},
    "open_review": {"payment": str, "reason": str},
    "close_review": {"review": str, "reason": str},
    "create_automatic_payout": {"currency": str, "account": str},
    "advance_payout": {"payout": str, "status": str},
    "start_subscription": {
        "metadata": dict,
        "amount": int,
        "currency": str,
        "paid": bool,
        "account": str,
    },
    "renew_subscription": {"subscription": str},
    "fail_renewal": {"subscription": str},
    "pay_invoice": {"invoice": str},
    "cancel_subscription": {"subscription": str, "at_period_end": bool},
    "keep_subscription": {"subscription": str},
    "complete_setup": {"setup": str, "success": bool},
    "roll_secret": {"endpoint": str, "keep_seconds": int},
    "add_thin_endpoint": {"url": str, "enabled_events": list, "account": str},
    "set_search_lag": {"seconds": int},
}
"""The methods of `Controls` that can be called from outside, and what they take."""


def act(controls: Controls, name: str, args: Form) -> Form:
    """
    Call a method of `controls` and return the id of what it made.

    A new endpoint or secret comes with its ``secret``. Raises `TypeError` for arguments
    that the method does not take.
    """
    for argument, value in args.items():
        kind = TAKES[name].get(argument)
        if kind is None or type(value) is not kind:
            raise TypeError(f"{name} takes {_described(TAKES[name])}")
    made = getattr(controls, name)(**args)
    if isinstance(made, SimEndpoint):
        return {"id": made.id, "secret": made.secrets[0].value}
    if made is None:
        return {}
    return {"secret" if name == "roll_secret" else "id": made}


def _described(takes: Mapping[str, type]) -> str:
    return ", ".join(f"{name} ({kind.__name__})" for name, kind in takes.items())
