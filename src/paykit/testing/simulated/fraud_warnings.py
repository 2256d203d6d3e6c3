"""Early fraud warnings: the card's issuer suspects a charge, and nothing moves yet."""

from __future__ import annotations

from paykit.testing.simulated.claims import SimWarning
from paykit.testing.simulated.objects import SimCharge
from paykit.testing.simulated.state import State

__all__ = ["look_again", "warn"]


def warn(state: State, charge: SimCharge, fraud_type: str) -> SimWarning:
    """Let the issuer warn of `charge`, such as ``unauthorized_use_of_card``."""
    warning = SimWarning(
        id=state.new_id("issfr"),
        created=state.now(),
        charge=charge.id,
        intent=charge.intent,
        fraud_type=fraud_type,
        actionable=_is_actionable(charge),
    )
    state.warnings[warning.id] = warning
    state.emit("radar.early_fraud_warning.created", warning)
    return warning


def look_again(state: State, charge: SimCharge) -> None:
    """Tell that nothing can be done any more about warnings of `charge`, if so."""
    if _is_actionable(charge):
        return
    for warning in state.warnings.values():
        if warning.charge == charge.id and warning.actionable:
            warning.actionable = False
            before: dict[str, object] = {"actionable": True}
            state.emit("radar.early_fraud_warning.updated", warning, before)


def _is_actionable(charge: SimCharge) -> bool:
    """Whether a refund would help: not after a dispute or a full refund."""
    return not charge.disputed and charge.refundable > 0
