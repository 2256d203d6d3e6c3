"""
Webhooks that found no payment are looked at again when theirs turns out to be ours.

A payment learns its PSP's id when the PSP answers, or when an event or a read shows it;
after a failover that lost rows that may be weeks later. Whoever writes the id need not
know of the inbox: a trigger finds what waits for it, by index. It starts the window of
what is still deferred anew, and puts back what has ended ``ignored``.

A worker that is just about to give such a webhook up holds its row while it looks for
the last time, so one of the two sees the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["LINKED"]

_WAITING = (
    "binding = NEW.binding AND subject_reference = NEW.psp_reference "
    "AND status IN ('received', 'ignored') AND body IS NOT NULL"
)
_LOOK_AGAIN = (
    "UPDATE paykit_inbox SET status = 'received', reason = NULL, finished_at = NULL, "
    f"deferrals = 0, unread = 0, failures = 0 WHERE {_WAITING}"
)
# What a worker holds it looks at anyway.
_AT_ONCE = (
    "UPDATE paykit_work SET due_ms = 0 WHERE queue = 'inbox' AND lease IS NULL "
    f"AND id IN (SELECT id FROM paykit_inbox WHERE {_WAITING})"
)
_LEARNED = (
    "NEW.psp_reference IS NOT NULL "
    "AND (OLD.psp_reference IS NULL OR NEW.psp_reference <> OLD.psp_reference)"
)

_WHEN = (
    ("insert", "INSERT", "NEW.psp_reference IS NOT NULL"),
    ("update", "UPDATE OF psp_reference", _LEARNED),
)

LINKED: Final[Mapping[str, Sequence[str]]] = {
    "sqlite": [
        f"CREATE TRIGGER paykit_payment_linked_{name} AFTER {verb} ON paykit_payment "
        f"WHEN {condition} BEGIN {_LOOK_AGAIN}; {_AT_ONCE}; END"
        for name, verb, condition in _WHEN
    ],
    "postgresql": [
        f"CREATE OR REPLACE FUNCTION paykit_payment_linked() RETURNS trigger "
        f"LANGUAGE plpgsql AS $$ BEGIN {_LOOK_AGAIN}; {_AT_ONCE}; RETURN NEW; END $$",
        *(
            f"CREATE TRIGGER paykit_payment_linked_{name} AFTER {verb} ON "
            f"paykit_payment FOR EACH ROW WHEN ({condition}) "
            f"EXECUTE FUNCTION paykit_payment_linked()"
            for name, verb, condition in _WHEN
        ),
    ],
}
"""What to install on the table of payments, by dialect."""
