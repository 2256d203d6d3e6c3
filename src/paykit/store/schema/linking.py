"""
Webhooks that found nothing of ours are looked at again when theirs turns out to be it.

A payment learns its PSP's id when the PSP answers, or when an event or a read shows it;
after a failover that lost rows that may be weeks later. A subscription has its id from
the event by which it is adopted, and that may be the last one to arrive. Whoever writes
the id need not know of the inbox: a trigger finds what waits for it, by index. It
starts the window of what is still deferred anew, and puts back what has ended
``ignored``.

A worker that is just about to give such a webhook up, or to put it off, holds its row
while it looks for the last time, so one of the two sees the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["PAYMENT_LINKED", "SUBSCRIPTION_LINKED"]

_WAITING = (
    "binding = NEW.binding AND subject_reference = NEW.psp_reference "
    "AND status IN ('received', 'ignored') AND body IS NOT NULL"
)
_LOOK_AGAIN = (
    "UPDATE paykit_inbox SET status = 'received', reason = NULL, finished_at = NULL, "
    f"deferrals = 0, unread = 0, failures = 0 WHERE {_WAITING}"
)
# What a worker holds is its own: it looks for the link before it puts it off.
_AT_ONCE = (
    "UPDATE paykit_work SET due_ms = 0 WHERE queue = 'inbox' AND lease IS NULL "
    f"AND id IN (SELECT id FROM paykit_inbox WHERE {_WAITING})"
)
_LEARNED = (
    "NEW.psp_reference IS NOT NULL "
    "AND (OLD.psp_reference IS NULL OR NEW.psp_reference <> OLD.psp_reference)"
)

_INSERTED: Final = ("insert", "INSERT", "NEW.psp_reference IS NOT NULL")
_UPDATED: Final = ("update", "UPDATE OF psp_reference", _LEARNED)


def _linked(table: str, *when: tuple[str, str, str]) -> Mapping[str, Sequence[str]]:
    """Return the triggers by dialect; each `when` is a name, a verb and a condition."""
    function = f"{table}_linked"
    return {
        "sqlite": [
            f"CREATE TRIGGER {function}_{name} AFTER {verb} ON {table} "
            f"WHEN {condition} BEGIN {_LOOK_AGAIN}; {_AT_ONCE}; END"
            for name, verb, condition in when
        ],
        "postgresql": [
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql "
            f"AS $$ BEGIN {_LOOK_AGAIN}; {_AT_ONCE}; RETURN NEW; END $$",
            *(
                f"CREATE TRIGGER {function}_{name} AFTER {verb} ON {table} "
                f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {function}()"
                for name, verb, condition in when
            ),
        ],
    }


PAYMENT_LINKED: Final = _linked("paykit_payment", _INSERTED, _UPDATED)
"""What to install on the table of payments, by dialect."""

SUBSCRIPTION_LINKED: Final = _linked("paykit_subscription", _INSERTED)
"""The same for subscriptions, whose id at the PSP never changes."""
