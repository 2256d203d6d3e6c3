"""
One deliberate bug for each promise: the naive outcome, as a patch on the source.

``python -m tests.failures.mutants [NUMBER ...]`` plants each in a copy of the source,
runs the tests of its number on SQLite and ends with an error if they still pass. The
number of a mutant is that of the failure in `tests.failures.promises`.
"""

from __future__ import annotations

import sys
from typing import Final

from tests.failures.planting import run
from tests.mutants.table import MUTANTS as KNOWN
from tests.mutants.table import Mutant, Patch

__all__ = ["MUTANTS", "number_of"]


def _mutant(name: str, harm: str, *patches: tuple[str, str, str]) -> Mutant:
    return Mutant(name, harm, tuple(Patch(*patch) for patch in patches))


def _known(number: int, name: str) -> Mutant:
    """Return a bug that the simulation is made to find as well, under our number."""
    (known,) = [mutant for mutant in KNOWN if mutant.name == name]
    return Mutant(f"{number:02}_{name}", known.harm, known.patches)


def number_of(mutant: Mutant) -> int:
    """Return the number of the failure that `mutant` is the naive answer to."""
    return int(mutant.name[:2])


MUTANTS: Final[tuple[Mutant, ...]] = (
    _known(1, "psp_key_per_send"),
    _known(2, "timeout_read_as_decline"),
    _mutant(
        "03_refused_connection_is_unknown",
        "the payer waits for hours for a payment that was never asked for",
        ("stripe/transport.py", "    httpx.ConnectError,\n", ""),
    ),
    _mutant(
        "04_server_error_read_as_refusal",
        "the order is paid a second time, under a new key",
        (
            "stripe/errors.py",
            "        return _misconfigured(said)\n    return _unknown(said)\n",
            "        return _misconfigured(said)\n"
            "    return _rejected(said, said.code)\n",
        ),
    ),
    _mutant(
        "05_unreadable_answer_read_as_refusal",
        "a charge that was made is given up",
        (
            "stripe/errors.py",
            "        return _misconfigured(said)\n    return _unknown(said)\n",
            "        return _misconfigured(said)\n"
            "    if said.status in (200, 502):\n"
            "        return _rejected(said, said.code)\n"
            "    return _unknown(said)\n",
        ),
    ),
    _mutant(
        "06_written_after_the_window",
        "the PSP has forgotten the key and charges again",
        ("engine/hearing.py", "if env.world.now() >= at.write_until:", "if False:"),
    ),
    _mutant(
        "06_given_up_on_a_word",
        "the refund was made, and a person's guess makes room for a second one",
        (
            "operations/resolve_case.py",
            "    if shown is not None and not isinstance(shown, Rejected):",
            "    if False:",
        ),
    ),
    _mutant(
        "07_key_in_use_is_not_refused",
        "every server that gets the request sends it",
        (
            "engine/stand.py",
            "    elif work.hold("
            'tx, "operation", row.id, lease, env.policy.lease) is None:\n',
            "    elif False:\n",
        ),
    ),
    _mutant(
        "08_parameters_not_compared",
        "a new order is answered with the payment of an old one",
        ("engine/engine.py", "if found.fingerprint != fingerprint(command):", "if 0:"),
    ),
    _mutant(
        "09_parameters_built_again",
        "after a deploy the PSP refuses the key, and the outcome is never known",
        (
            "engine/stand.py",
            "        answer, maybe_executed = _heard_before(tx, attempt)\n",
            "        answer, maybe_executed = _heard_before(tx, attempt)\n"
            "        import dataclasses\n"
            "        call = env.psps.for_binding(ctx.binding).prepare(\n"
            "            op.leg(point).ask(state), attempt.psp_key\n"
            "        )\n"
            "        attempt = dataclasses.replace("
            "attempt, parameters=call.parameters)\n",
        ),
    ),
    _known(10, "no_fencing"),
    _mutant(
        "11_keys_reaped_after_a_day",
        "a client that repeats an old request pays again",
        (
            "store/operations.py",
            "    connection = tx.on(operation)\n",
            "    connection = tx.on(operation)\n"
            "    from datetime import timedelta\n"
            "    from sqlalchemy import delete\n"
            "    old = operation.c.finished_at < tx.now - timedelta(hours=24)\n"
            "    gone = select(operation.c.id).where(old)\n"
            "    connection.execute("
            "delete(attempt).where(attempt.c.operation_id.in_(gone)))\n"
            "    connection.execute(delete(operation).where(old))\n",
        ),
    ),
    _mutant(
        "12_unknown_payment_is_ignored",
        "an event that was faster than our commit is lost",
        (
            "operations/apply_event.py",
            "    if payment is None:\n        return _foreign(subject)\n    note_proof",
            "    if payment is None:\n"
            '        return Verdict("ignored", FOREIGN)\n'
            "    note_proof",
        ),
    ),
    _mutant(
        "12_metadata_and_key_not_looked_at",
        "the event of a payment whose answer is on its way waits, or is lost",
        (
            "operations/links.py",
            "        ours = payment_of(subject.metadata)\n",
            "        ours = None\n",
        ),
        (
            "operations/apply_event.py",
            " or find_by_key(tx, binding, event)\n",
            "\n",
        ),
    ),
    _mutant(
        "12_a_new_link_wakes_nothing",
        "what was heard before the payment came back is never applied",
        (
            "store/schema/linking.py",
            'WHERE {_WAITING}"\n)\n# What',
            'WHERE {_WAITING} AND 0 = 1"\n)\n# What',
        ),
    ),
    _mutant(
        "13_refund_taken_without_its_charge",
        "more is refunded than was captured",
        (
            "operations/apply_event.py",
            "        return ReadPayment(payment=reference) if reference else None\n"
            "    cyclic",
            "        return None\n    cyclic",
        ),
    ),
    _mutant(
        "14_repetition_is_queued_again",
        "every delivery of an event is worked on, not every event",
        (
            "store/inbox.py",
            "    return tx.on(inbox).execute(insert, row).first() is not None\n",
            "    new = tx.on(inbox).execute(insert, row).first() is not None\n"
            "    from paykit.store import work as queue\n"
            '    queue.ensure(tx, "inbox", str(row["id"]), delay=timedelta(0))\n'
            "    return new\n",
        ),
    ),
    _known(15, "gross_posted_twice"),
    _mutant(
        "16_failed_event_counts_as_done",
        "the one event that told of the money is skipped for ever",
        (
            "workers/inbox.py",
            "        work.give_back(tx, claimed, "
            "delay=_pause(RETRIES, row, failures - 1))\n",
            '        return _end(tx, claimed, Verdict("applied", reason))\n',
        ),
    ),
    _mutant(
        "16_outage_counts_as_failure",
        "after some hours without the PSP every event that needs it is dead",
        (
            "workers/inbox.py",
            "phase = _fail if isinstance(answer, _REFUSED) else _unread\n",
            "phase = _fail\n",
        ),
    ),
    _known(17, "payload_of_cyclic_status_applied"),
    _mutant(
        "17_look_that_shows_nothing_new_not_noted",
        "a state that was over before it was written down stays",
        (
            "operations/apply_event.py",
            "        payments.touch(tx, payment)\n",
            '        return Verdict("applied", None, payment.id)\n',
        ),
    ),
    _mutant(
        "17_status_of_a_subscription_taken_from_the_payload",
        "an active subscription is incomplete, because that event came last",
        (
            "operations/observe_subscription.py",
            "    return seen if ends else None\n",
            "    return seen\n",
        ),
    ),
    _mutant(
        "17_an_ended_subscription_comes_back",
        "what nobody pays for any more is delivered again",
        (
            "lifecycle/subscription.py",
            "        if source not in SUBSCRIPTION_ENDED\n",
            "",
        ),
        (
            "operations/observe_subscription.py",
            "        return {}\n    changes = {\n",
            "        pass\n    changes = {\n",
        ),
        (
            "operations/observe_subscription.py",
            "    return seen if ends else None\n",
            "    over = row.state in SUBSCRIPTION_ENDED\n"
            "    return seen if ends or over else None\n",
        ),
    ),
    _mutant(
        "18_success_can_be_left_again",
        "a paid order is canceled",
        (
            "lifecycle/payment.py",
            "for source in (_S.CREATING, *UNSETTLED)\n",
            "for source in (_S.CREATING, *UNSETTLED, _S.SUCCEEDED)\n",
        ),
        (
            "operations/observe.py",
            "(seen.status not in _PROVEN and not fresh)",
            "False",
        ),
    ),
    _mutant(
        "19_poison_is_tried_for_ever",
        "a broken event keeps the worker busy, and nobody is told of it",
        ("workers/inbox.py", "dead = failures > len(RETRIES)", "dead = False"),
    ),
    _mutant(
        "19_dead_after_one_failure",
        "a bug of a minute leaves everything to a person",
        (
            "workers/inbox.py",
            "dead = failures > len(RETRIES)",
            "dead = failures > 0",
        ),
    ),
    _mutant(
        "19_deaths_are_not_counted",
        "one event kills every worker that starts, for ever",
        (
            "workers/inbox.py",
            "if deaths and row.failures + deaths > len(RETRIES):",
            "if False:",
        ),
    ),
    _mutant(
        "19_what_killed_a_worker_goes_with_others",
        "one event that kills its worker keeps all others from being applied",
        (
            "store/inbox.py",
            "rows = due[:1] if due and due[0].attempts else "
            "[r for r in due if not r.attempts]",
            "rows = due",
        ),
        (
            "workers/inbox_batch.py",
            "if held and not any(_alone(claimed) for claimed in left):",
            "if held:",
        ),
    ),
    _mutant(
        "20_cursor_moves_before_the_page_is_kept",
        "what was on a page whose worker died is never asked for again",
        (
            "workers/catch_up.py",
            "        page = yield from _page(env, psp, job, cursor)\n",
            "        page = yield from _page(env, psp, job, cursor)\n"
            "        yield from commit(\n"
            "            lambda tx, at=cursor, seen=page: cursors.advance(\n"
            "                tx, at, newest=seen.newest, position=seen.next\n"
            "            )\n"
            "        )\n",
        ),
    ),
    _mutant(
        "20_nothing_is_read_twice",
        "an event that the list shows a minute late is lost",
        (
            "store/cursors.py",
            "OVERLAP: Final = timedelta(minutes=5)",
            "OVERLAP: Final = timedelta(0)",
        ),
    ),
    _mutant(
        "21_only_the_first_secret",
        "every webhook is refused while a secret is rotated",
        (
            "stripe/webhook.py",
            "[secret for secret in secrets if secret.strip()]\n",
            "[secret for secret in secrets if secret.strip()][:1]\n",
        ),
    ),
    _mutant(
        "21_signatures_compared_as_text",
        "one character from outside makes the endpoint crash",
        (
            "stripe/webhook.py",
            'hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "replace"))',
            "hmac.compare_digest(ours, theirs)",
        ),
    ),
    _mutant(
        "22_any_future_is_good",
        "a webhook that was recorded can be replayed for ever",
        (
            "stripe/webhook.py",
            "if abs(distance) > TOLERANCE_SECONDS:",
            "if distance > TOLERANCE_SECONDS:",
        ),
    ),
    _mutant(
        "22_leases_by_the_hosts_clock",
        "a host whose clock is ahead does the work of others",
        (
            "store/clock.py",
            'bindparam("now_ms", type_=BigInteger) if simulated else _Now()',
            'bindparam("now_ms", type_=BigInteger)',
        ),
        (
            "store/clock.py",
            "    if not world.simulated:\n        return {}\n",
            "",
        ),
    ),
    _mutant(
        "23_refunds_not_reserved",
        "refunds in parallel exceed what was captured",
        (
            "store/payments.py",
            "    .where(\n"
            "        payment.c.refund_reserved\n"
            "        + payment.c.refunded_external\n"
            '        + bindparam("more", type_=BigInteger)\n'
            "        <= payment.c.captured\n"
            "    )\n",
            "",
        ),
    ),
    _mutant(
        "24_ceiling_is_what_was_asked_for",
        "more is refunded than was taken",
        (
            "store/payments.py",
            "        <= payment.c.captured\n",
            "        <= payment.c.amount\n",
        ),
    ),
    _known(25, "refund_failure_not_booked"),
    _known(25, "failed_refund_keeps_its_reservation"),
    _mutant(
        "26_break_stays_after_the_capture",
        "a person looks for money that was never missing",
        ("operations/observe.py", "    if 0 < row.disputed <= total:", "    if False:"),
    ),
    _mutant(
        "26_dispute_cut_to_what_was_captured",
        "nobody sees that the bank has taken more than was paid",
        (
            "operations/observe_dispute.py",
            "        for name, value in _shown(seen).items()\n",
            "        for name, value in {\n"
            '            **_shown(seen), "amount": min(seen.amount, 700)\n'
            "        }.items()\n",
        ),
    ),
    _mutant(
        "27_disputed_charge_is_refunded",
        "the payer has the money twice",
        (
            "operations/refund_payment.py",
            "    refuse_if_disputed(tx, row)\n",
            "",
        ),
    ),
    _mutant(
        "27_inquiry_keeps_the_money",
        "a question that a refund would have answered becomes a dispute",
        (
            "operations/observe_dispute.py",
            "        if not dispute.charge_refundable:\n",
            "        if True:\n",
        ),
    ),
    _mutant(
        "28_closed_dispute_stays_closed",
        "a dispute that was won late is never booked",
        (
            "lifecycle/dispute.py",
            "        if source is not target\n",
            "        if source is not target and source not in DISPUTE_CLOSED\n",
        ),
    ),
    _mutant(
        "29_expiry_is_no_evidence",
        "a capture that can never succeed is waited for",
        (
            "operations/capture_payment.py",
            "    if evidence.status in _RELEASED:\n",
            "    if False:\n",
        ),
    ),
    _mutant(
        "29_captured_until_the_end",
        "the goods leave, and the capture comes too late",
        (
            "operations/capture_payment.py",
            "    if end is not None and tx.now >= end - margin:\n",
            "    if False:\n",
        ),
    ),
    _mutant(
        "29_nobody_looks_at_the_end",
        "money is held that nobody can take, and nobody is told",
        (
            "engine/clocks.py",
            "    if end is not None and stay.state is PaymentState.AUTHORIZED:\n",
            "    if False:\n",
        ),
    ),
    _known(30, "capture_not_claimed"),
    _mutant(
        "31_silence_is_final",
        "the rest of the authorization is released, and the next part cannot be taken",
        (
            "operations/capture_payment.py",
            "if command.final is None and money.minor < row.capturable:",
            "if False:",
        ),
    ),
    _mutant(
        "32_own_commit_not_recognized",
        "a phase whose COMMIT was done is done again",
        ("engine/engine.py", "if row.phase_id == phase_id:", "if False:"),
    ),
    _mutant(
        "33_operation_named_by_chance",
        "after a failover the same request gets another key, and charges again",
        (
            "engine/keys.py",
            'return f"op_{_hash(installation, merchant, operation, key)}"',
            "return f\"op_{__import__('os').urandom(20).hex()}\"",
        ),
    ),
    _mutant(
        "34_delivered_by_a_cursor_over_ids",
        "events that are committed late are never delivered",
        (
            "workers/deliver.py",
            '    return work.claim_next(tx, "delivery", lease_for=_LEASE)\n',
            '    claimed = work.claim_next(tx, "delivery", lease_for=_LEASE)\n'
            "    if claimed is not None:\n"
            "        if claimed.id < _seen[-1]:\n"
            '            work.finish(tx, "delivery", claimed.id, claimed.lease)\n'
            "            return None\n"
            "        _seen.append(claimed.id)\n"
            "    return claimed\n"
            "\n"
            "\n"
            '_seen = [""]\n',
        ),
    ),
    _mutant(
        "34_relay_deletes_what_it_did_not_publish",
        "events that are delivered meanwhile never reach the broker",
        (
            "workers/relay.py",
            "    ids = [one.claimed.id for one in held]\n",
            "    ids = [one.claimed.id for one in held]\n"
            "    from sqlalchemy import text\n"
            "    every = \"DELETE FROM paykit_work WHERE queue = 'relay'\"\n"
            "    tx.connection.execute(text(every))\n"
            '    return ("published",) * len(ids)\n',
        ),
    ),
    _mutant(
        "34_given_up_without_a_person",
        "what a handler failed on is never delivered, and nobody is told",
        (
            "workers/deliver.py",
            '        work.park(tx, "delivery", '
            "claimed.id, claimed.lease, reason=reason)\n",
            '        work.finish(tx, "delivery", claimed.id, claimed.lease)\n',
        ),
    ),
    _mutant(
        "35_currencies_may_be_mixed",
        "money is made from nothing",
        (
            "store/schema/ledger_triggers.py",
            '    "an account is not of its merchant and currency": _same_accounts,\n',
            "",
        ),
    ),
    _mutant(
        "35_ledger_can_be_changed",
        "the past can be rewritten by hand",
        ("store/schema/ledger.py", "append_only(ledger_transfer)\n", ""),
    ),
    _mutant(
        "36_exponents_of_iso_4217",
        "payers in Iceland and Uganda are charged a hundredth",
        ("money.py", '    (2, 100): "isk ugx",\n', '    (0, 100): "isk ugx",\n'),
    ),
    _mutant(
        "37_rate_limit_read_as_refusal",
        "payments fail because there are many of them",
        (
            "engine/outcome.py",
            "    match answer:\n        case InFlight(",
            "    if isinstance(answer, NotExecuted):\n"
            "        return Rejected(code='rate_limit', message='too many')\n"
            "    match answer:\n        case InFlight(",
        ),
    ),
    _mutant(
        "37_workers_queue_like_payers",
        "payers wait behind everything that workers want to know",
        (
            "engine/limiter.py",
            "_BOOKS: Final = frozenset({Priority.PAYER, Priority.RESOLVE})",
            "_BOOKS: Final = frozenset(Priority)",
        ),
    ),
    _mutant(
        "37_each_process_takes_all",
        "several processes ask more than the PSP allows, and payers are turned away",
        (
            "engine/gate.py",
            "        processes = self.registration.living\n",
            "        processes = 1\n",
        ),
    ),
    _known(38, "not_sent_after_unknown_is_definite"),
    _mutant(
        "38_no_breaker",
        "every payer waits for the timeouts of a PSP that is known to be down",
        (
            "engine/breaker.py",
            "    if state.probing or failures >= policy.failures:\n",
            "    if state.probing:\n",
        ),
    ),
    _mutant(
        "38_breaker_stays_open",
        "an outage of seconds closes the shop for good",
        (
            "engine/breaker.py",
            "    expired = left <= timedelta(0) or left > _longest(policy)\n",
            "    expired = False\n",
        ),
    ),
    _mutant(
        "38_resolver_is_kept_out_by_others",
        "payments stay in doubt for as long as new ones fail",
        (
            "engine/gate.py",
            "        if self.priority is Priority.RESOLVE:\n",
            "        if False:\n",
        ),
    ),
    _mutant(
        "39_cancellation_reaches_the_answer",
        "the payer has paid, and what the PSP answered is lost",
        (
            "engine/async_driver.py",
            "return await asyncio.shield(task)",
            "return await task",
        ),
    ),
    _mutant(
        "40_adapter_can_be_pickled",
        "the secret key lies in a job queue",
        (
            "stripe/adapter.py",
            "    def __reduce__(self) -> NoReturn:\n        raise TypeError(\n",
            "    def __reduce__(self):\n"
            "        return str, (str(vars(self)),)\n"
            "        raise TypeError(\n",
        ),
    ),
    _mutant(
        "40_secret_stored_with_the_answer",
        "whoever reads the database can confirm payments",
        (
            "psp/codec.py",
            "        _without_secret(answer), mode=",
            "        answer, mode=",
        ),
    ),
    _mutant(
        "41_account_not_compared",
        "the events of one tenant move the money of another",
        (
            "workers/inbox.py",
            "if event.account not in (None, psp.account):",
            "if False:",
        ),
    ),
    _mutant(
        "42_old_payload_believed",
        "a field that has changed its meaning is taken at its word",
        (
            "operations/apply_event.py",
            "event.subject if event.current else named(event.subject)",
            "event.subject",
        ),
        (
            "workers/inbox_batch.py",
            "            and self.event.current\n",
            "",
        ),
        (
            "stripe/webhook.py",
            "    if not current and str(",
            "    if False and str(",
        ),
    ),
    _mutant(
        "43_paid_is_the_end",
        "the books say that the bank has the money, and it is on the balance again",
        (
            "lifecycle/payout.py",
            "        _T(_E.FAIL,    _S.PAID,        _S.FAILED),\n",
            "",
        ),
    ),
    _mutant(
        "43_what_is_only_named_is_not_read",
        "the payout has failed, and its money is missing in the books",
        (
            "operations/observe_payout.py",
            "    if not set(seen.named) <= set(known):\n        return False\n",
            "",
        ),
    ),
    _mutant(
        "43_what_came_back_is_not_booked",
        "the books say that the bank has the money, and it is on the balance again",
        (
            "operations/observe_payout.py",
            "    _post(tx, row, seen, moved)\n",
            "    if not row.failure_code:\n        _post(tx, row, seen, moved)\n",
        ),
    ),
    _mutant(
        "43_the_newest_event_is_believed",
        "a late word of its arrival makes a payout of a failed one, or parks the event",
        (
            "operations/observe_payout.py",
            "    later = first or fresh or _later(row, seen) > 0\n",
            "    later = True\n",
        ),
    ),
    _mutant(
        "43_a_read_that_was_overtaken_is_believed",
        "what another worker has written meanwhile is taken back",
        (
            "operations/observe_payout.py",
            "    fresh = read is not None and read.version == version\n",
            "    fresh = read is not None\n",
        ),
    ),
    _mutant(
        "43_each_look_is_a_movement",
        "a payout leaves the books as often as somebody tells of it",
        (
            "operations/observe_payout.py",
            "            fact_key=balance_fact(row.binding, movement.reference),\n",
            "            fact_key=str(tx.new_uuid()),\n",
        ),
        (
            "operations/observe_payout.py",
            "    moved = [one for one in seen.movements"
            " if one.reference not in row.movements]\n",
            "    moved = list(seen.movements)\n",
        ),
    ),
    _mutant(
        "43_the_status_moves_the_money",
        "the status is told twice, or never, and the money goes with it",
        (
            "operations/observe_payout.py",
            "    returned = (movement.amount > 0) == (seen.amount > 0)\n",
            "    returned = seen.status is PayoutStatus.FAILED\n",
        ),
    ),
    _mutant(
        "43_nobody_looks_by_himself",
        "a failure of which no event has come stays in the books as money at the bank",
        (
            "workers/jobs.py",
            "        for id_ in overdue(tx, some, limit=_AT_ONCE):\n",
            "        for id_ in ():\n",
        ),
    ),
    _mutant(
        "43_after_a_gap_only_payments_are_read",
        "what failed while nobody listened stays in the books as money at the bank",
        (
            "store/watching.py",
            "payment.c.state.not_in(_OVER)), *changeable(since))\n",
            "payment.c.state.not_in(_OVER)),)\n",
        ),
    ),
    _mutant(
        "44_nobody_looks_at_invoices",
        "the payer pays for what has ended, and nobody is told",
        (
            "operations/follow_invoice.py",
            "    if _is_late(row, invoice):\n",
            "    if False:\n",
        ),
    ),
    _mutant(
        "44_the_end_is_taken_as_known",
        "the payment that is told before the end is never held against it",
        (
            "operations/follow_invoice.py",
            "return row.state in SUBSCRIPTION_ENDED and not _is_late(row, invoice)",
            "return not _is_late(row, invoice)",
        ),
    ),
    _mutant(
        "44_one_break_for_all_invoices",
        "a person sees the first invoice, and gives back one of two",
        (
            "operations/follow_invoice.py",
            "detail, item=invoice.reference)",
            "detail)",
        ),
    ),
    _mutant(
        "44_a_plan_is_not_read_again",
        "whoever has decided to stay is taken for somebody who should have gone",
        (
            "operations/follow_invoice.py",
            "    row = observe_subscription(tx, row, seen, cause=heard.cause)\n"
            "    if _is_late(row, invoice):\n",
            "    late = _is_late(row, invoice)\n"
            "    row = observe_subscription(tx, row, seen, cause=heard.cause)\n"
            "    if late or _is_late(row, invoice):\n",
        ),
    ),
    _mutant(
        "44_every_paid_invoice_is_late",
        "people are asked about months that were paid for before the end",
        (
            "operations/follow_invoice.py",
            "    if invoice.paid_at is not None and invoice.paid_at <= end:\n",
            "    if False:\n",
        ),
    ),
    _mutant(
        "44_a_subscription_wakes_no_invoice",
        "a payment that is heard of before its subscription is never looked at",
        (
            "operations/follow_invoice.py",
            'Verdict("deferred", _NOT_HERE, reference=reference)',
            'Verdict("deferred", _NOT_HERE)',
        ),
    ),
    _mutant(
        "45_nobody_is_waited_for_less_than_for_ever",
        "the order can never be paid for again",
        (
            "engine/clocks.py",
            "    if _Moment.ABANDONED in due:\n",
            "    if False:\n",
        ),
    ),
    _mutant(
        "45_canceled_without_a_look_at_the_psp",
        "a payer who has done everything right has the order canceled",
        (
            "workers/clocks.py",
            "    proven = yield from read_subject(engine.env, subject)\n",
            "    proven = True\n",
        ),
    ),
    _mutant(
        "46_returned_debit_not_booked",
        "the books say paid, the bank has the money",
        (
            "operations/observe.py",
            "    if charge is None or not charge.returned:\n",
            "    if True:\n",
        ),
    ),
    _mutant(
        "47_the_first_page_counts_as_the_list",
        "everything before the newest hundred events is passed over",
        ("store/cursors.py", "    if position is not None:\n", "    if False:\n"),
    ),
    _mutant(
        "47_a_page_that_cannot_be_read_is_empty",
        "the cursor goes past what nobody has seen",
        (
            "workers/catch_up.py",
            '    raise Delayed(f"the events could not be listed:'
            ' {type(answer).__name__}")\n',
            "    return EventPage(events=(), newest=None, next=None)\n",
        ),
    ),
    _mutant(
        "47_half_a_balance_is_a_whole_one",
        "the fee that is given back is booked, and the fee itself is not",
        (
            "stripe/responses.py",
            "        return self._next_page(page, reply) if more else"
            " self._complete(reply)\n",
            "        return self._complete(reply)\n",
        ),
    ),
    _mutant(
        "47_a_page_of_the_balance_that_cannot_be_read_is_the_last",
        "what was read before it counts as all that the payment has cost",
        (
            "stripe/responses.py",
            "        except Unreadable as error:\n",
            "        except Unreadable as error:\n"
            "            if self._movements:\n"
            "                self.answer = self._complete(reply)\n"
            "                return\n",
        ),
    ),
)

if __name__ == "__main__":
    sys.exit(run(MUTANTS, {number_of(one) for one in MUTANTS}))
