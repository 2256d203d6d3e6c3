"""What the callers want, by scenario; the seed picks one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.scenarios.afterwards import (
    disputed,
    refreshed,
    returned_debit,
    slow_refunds,
    unheard,
)
from paykit.testing.simulation.scenarios.capturing import (
    capture_and_refund,
    expired,
    in_parts,
    increased,
    manual,
    updated,
)
from paykit.testing.simulation.scenarios.following import paid_out, subscribed
from paykit.testing.simulation.scenarios.paying import (
    abandoned,
    automatic,
    challenged,
    declined,
    flapping,
    overtaken,
)
from paykit.testing.simulation.scenarios.troubles import (
    forgotten,
    given_up,
    in_doubt,
    outage,
    rush,
    several,
)

__all__ = ["SCENARIOS"]

SCENARIOS: Final[Mapping[str, Callable[[Cast], None]]] = {
    scenario.__name__: scenario
    for scenario in (
        automatic,
        manual,
        capture_and_refund,
        declined,
        challenged,
        flapping,
        overtaken,
        abandoned,
        slow_refunds,
        in_parts,
        increased,
        updated,
        expired,
        disputed,
        returned_debit,
        refreshed,
        several,
        rush,
        outage,
        forgotten,
        unheard,
        in_doubt,
        given_up,
        paid_out,
        subscribed,
    )
}
"""A new one goes to the end: the seeds of the others then tell nearly the same."""
