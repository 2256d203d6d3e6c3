"""Bugs in what comes in (inbox) and what goes out (outbox)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, mutant

__all__ = ["MESSAGES"]

MESSAGES: Final[tuple[Mutant, ...]] = (
    mutant(
        "rest_of_a_batch_forgotten",
        "an event that needs a read is never applied",
        (
            "workers/inbox_batch.py",
            "    work.finish_all(tx, batch.done)\n",
            "    work.finish_all(tx, [*batch.done, *batch.left])\n"
            "    batch.left = []\n",
        ),
        area="inbox",
    ),
    mutant(
        "unreadable_event_given_up",
        "while the PSP is down, what it told us is lost",
        (
            "workers/inbox.py",
            "            phase = _fail if isinstance(answer, _REFUSED) else _unread\n",
            "            phase = "
            "lambda c, why, tx: _end(tx, c, Verdict('dead', why))\n",
        ),
        area="inbox",
    ),
    mutant(
        "poison_kills_the_worker",
        "one event that breaks our code is tried for ever",
        (
            "workers/inbox.py",
            "        return (yield from _give_back(claimed, error))\n",
            "        raise\n",
        ),
        area="inbox",
    ),
    mutant(
        "event_done_before_its_effect",
        "a crash between the two loses the event",
        (
            "workers/inbox_batch.py",
            "            batch = yield from commit(partial(_apply_all, env, events))\n",
            "            yield from commit(lambda tx: work.finish_all(tx, left))\n"
            "            batch = yield from commit(partial(_apply_all, env, events))\n",
        ),
        (
            "workers/inbox_batch.py",
            "    work.finish_all(tx, batch.done)\n",
            "",
        ),
        area="inbox",
    ),
    mutant(
        "failed_delivery_dropped",
        "the host never hears of what its handler failed on",
        (
            "workers/deliver.py",
            '    work.postpone(tx, "delivery", '
            "claimed.id, claimed.lease, delay=delay)\n",
            '    work.finish(tx, "delivery", claimed.id, claimed.lease)\n',
        ),
        area="outbox",
    ),
    mutant(
        "delivery_out_of_order",
        "the host sees a refund before its payment",
        (
            "store/work.py",
            '_IN_ORDER: Final = frozenset({"delivery", "relay"})',
            "_IN_ORDER: Final = frozenset()",
        ),
        area="outbox",
    ),
    mutant(
        "message_done_before_it_is_published",
        "a crash between the two loses the message",
        (
            "workers/relay.py",
            "        yield from publish(publisher, [one.message for one in held])\n"
            "    except UsageError as misuse:\n",
            "        yield from commit(partial(_finish, held))\n"
            "        yield from publish(publisher, [one.message for one in held])\n"
            "    except UsageError as misuse:\n",
        ),
        area="outbox",
    ),
    mutant(
        "refused_message_dropped",
        "what the broker did not take at once never comes",
        (
            "workers/relay.py",
            "            ends.append("
            "_postpone(one.claimed, blame.get(one.claimed.id), tx))\n",
            "            ends += _finish([one], tx)\n",
        ),
        area="outbox",
    ),
    mutant(
        "broker_skipped_after_delivery",
        "the host's handlers hear of it, and nobody else does",
        ("workers/deliver.py", "    if relay:\n", "    if False:\n"),
        area="outbox",
    ),
    mutant(
        "delivered_twice_by_two_workers",
        "what the handler writes is written twice",
        (
            "workers/deliver.py",
            '        work.hand_over(tx, "delivery", '
            'claimed.id, claimed.lease, "relay")\n',
            "        try:\n"
            '            work.hand_over(tx, "delivery", '
            'claimed.id, claimed.lease, "relay")\n'
            "        except LeaseLost:\n"
            "            pass\n",
        ),
        (
            "workers/deliver.py",
            '        work.fence(tx, "delivery", claimed.id, claimed.lease, _LEASE)\n',
            "        pass\n",
        ),
        area="outbox",
    ),
    mutant(
        "subscription_taken_from_its_payload",
        "an old event says past due, and somebody who has paid is locked out",
        (
            "operations/observe_subscription.py",
            "    if row is None or not _changed(row, seen):\n        return seen\n",
            "    return seen\n",
        ),
        area="inbox",
    ),
    mutant(
        "returned_payout_not_booked",
        "the bank sent a payout back, and the books say that we have the money",
        (
            "operations/observe_payout.py",
            "        for movement in moved\n        for kind",
            "        for movement in moved\n"
            "        if (movement.amount > 0) != (seen.amount > 0)\n"
            "        for kind",
        ),
        area="ledger",
    ),
)
