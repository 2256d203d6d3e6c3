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
    "absence_believed_at_once": 22,
    "broker_skipped_after_delivery": 0,
    "capture_not_claimed": 2,
    "claim_never_released": 0,
    "delivered_twice_by_two_workers": 7,
    "delivery_out_of_order": 1,
    "event_done_before_its_effect": 0,
    "execute_before_ignored": 14,
    "failed_delivery_dropped": 4,
    "failed_refund_keeps_its_reservation": 33,
    "fee_posted_per_look": 10,
    "gross_posted_twice": 1,
    "message_done_before_it_is_published": 3,
    "no_evidence_after_conflict": 11,
    "no_fencing": 5,
    "not_sent_after_unknown_is_definite": 5,
    "parameters_built_again": 13,
    "payload_of_cyclic_status_applied": 1,
    "poison_kills_the_worker": 0,
    "psp_key_per_send": 11,
    "recovery_point_not_advanced": 0,
    "refund_failure_not_booked": 33,
    "refund_not_booked": 3,
    "refund_not_reserved": 3,
    "refused_message_dropped": 2,
    "refused_refund_keeps_its_reservation": 38,
    "rest_of_a_batch_forgotten": 0,
    "result_not_stored": 1,
    "timeout_read_as_decline": 0,
    "turn_never_given_back": 3,
    "unreadable_event_given_up": 37,
    "work_finished_before_it_is_done": 2,
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
