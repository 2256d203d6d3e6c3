"""What a mutant is: a bug as patches on the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["AREAS", "Mutant", "Patch", "mutant"]


@dataclass(frozen=True, slots=True)
class Patch:
    """Replace `old` by `new` in `file`; `old` must be there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug that somebody might write, and what it would do to a customer."""

    name: str
    harm: str
    patches: tuple[Patch, ...]
    in_ci: bool = False
    """Whether every CI run checks it; the others are for ``nox -s mutants``."""
    area: str = ""
    """One of `AREAS`."""
    seed: int | None = None
    """The seed that caught it last, to be tried first."""


AREAS: Final = ("engine", "inbox", "ledger", "limiter", "outbox", "refunds", "resolver")
"""What the mutants are about; each area has some."""


_SEEDS: Final[dict[str, int]] = {
    "absence_believed_at_once": 0,
    "broker_skipped_after_delivery": 0,
    "capture_not_claimed": 23,
    "circuit_never_closes": 82,
    "claim_never_released": 0,
    "clock_never_cancels": 5,
    "delivered_twice_by_two_workers": 7,
    "delivery_out_of_order": 2,
    "dispute_fact_per_look": 80,
    "dispute_not_booked": 80,
    "event_done_before_its_effect": 4,
    "evidence_is_any_capture": 36,
    "execute_before_ignored": 34,
    "failed_delivery_dropped": 4,
    "failed_refund_keeps_its_reservation": 19,
    "fee_posted_per_look": 0,
    "gross_posted_twice": 0,
    "limiter_forgets_to_wait": 87,
    "limiter_lets_everybody_go": 87,
    "message_done_before_it_is_published": 2,
    "no_evidence_after_conflict": 0,
    "no_fencing": 0,
    "not_sent_after_unknown_is_definite": 11,
    "own_refund_adopted_as_foreign": 0,
    "parameters_built_again": 21,
    "payload_of_cyclic_status_applied": 18,
    "poison_kills_the_worker": 1,
    "psp_key_per_send": 0,
    "recovery_point_not_advanced": 0,
    "refund_booked_backwards": 0,
    "refund_counted_before_it_succeeds": 71,
    "refund_failure_not_booked": 19,
    "refund_not_booked": 0,
    "refund_not_reserved": 0,
    "refusal_of_the_gate_read_as_rejection": 422,
    "refused_message_dropped": 2,
    "refused_refund_keeps_its_reservation": 35,
    "rest_of_a_batch_forgotten": 4,
    "result_not_stored": 0,
    "returned_debit_not_booked": 126,
    "returned_payout_not_booked": 1586,
    "stale_read_applied": 2399,
    "subscription_taken_from_its_payload": 362,
    "timeout_read_as_decline": 11,
    "turn_never_given_back": 2,
    "unreadable_event_given_up": 2043,
    "work_finished_before_it_is_done": 0,
}
"""By mutant: the seed that caught it last. ``python -m tests.mutants`` prints them."""


def mutant(
    name: str,
    harm: str,
    *patches: tuple[str, str, str],
    in_ci: bool = False,
    area: str = "engine",
) -> Mutant:
    """Return a mutant; each patch is a file, the old text and the new one."""
    made = tuple(Patch(*patch) for patch in patches)
    return Mutant(name, harm, made, in_ci, area, _SEEDS.get(name))
