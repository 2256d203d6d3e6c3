"""Deliberate bugs, as patches on the source: each one the simulation must find."""

from __future__ import annotations

from tests.mutants.asking import ASKING
from tests.mutants.messages import MESSAGES
from tests.mutants.money import MONEY
from tests.mutants.mutant import AREAS, Mutant, Patch
from tests.mutants.mutant import mutant as _mutant

__all__ = ["AREAS", "MUTANTS", "Mutant", "Patch"]

MUTANTS: tuple[Mutant, ...] = (
    _mutant(
        "timeout_read_as_decline",
        "the order is canceled, the money is taken",
        (
            "engine/outcome.py",
            "    match answer:\n        case InFlight(",
            "    from paykit.psp import Decline\n"
            "    if isinstance(answer, Unknown):\n"
            "        return Declined(decline=Decline(code='timeout'))\n"
            "    match answer:\n        case InFlight(",
        ),
        in_ci=True,
    ),
    _mutant(
        "not_sent_after_unknown_is_definite",
        "a charge that was made is given up",
        (
            "engine/outcome.py",
            "case NotSent() | NotExecuted() | Misconfigured() if maybe_executed:",
            "case NotSent() | NotExecuted() | Misconfigured() if False:",
        ),
        (
            "engine/engine.py",
            "        if late and leg.late is not None and is_no_effect(answer):",
            "        if is_no_effect(answer):",
        ),
        in_ci=True,
        area="resolver",
    ),
    _mutant(
        "no_fencing",
        "a worker that was too slow overwrites the one that took over",
        (
            "engine/engine.py",
            "            return None\n        return self._advance(",
            "            pass\n        return self._advance(",
        ),
        (
            "store/work.py",
            "many(FINISH, stale=_lost)",
            "many(FINISH)",
        ),
        (
            "engine/resolving.py",
            '        work.postpone(tx, "operation", row.id, lease, '
            "delay=delay, counted=counted)\n",
            "        try:\n"
            "            work.postpone("
            'tx, "operation", row.id, lease, delay=delay)\n'
            "        except LeaseLost:\n"
            "            pass\n",
        ),
        in_ci=True,
    ),
    _mutant(
        "psp_key_per_send",
        "a retry charges twice",
        (
            "store/operations.py",
            "idempotency_key=self.psp_key,",
            "idempotency_key=self.psp_key + __import__('os').urandom(8).hex(),",
        ),
        in_ci=True,
    ),
    _mutant(
        "capture_not_claimed",
        "capture and cancel run at once; one can never end",
        (
            "operations/payment_command.py",
            "        claims.claim_command(\n",
            "        if command is PaymentEvent.START_CAPTURE:\n"
            "            return row\n"
            "        claims.claim_command(\n",
        ),
        in_ci=True,
    ),
    _mutant(
        "result_not_stored",
        "a repetition is told something else",
        (
            "engine/stand.py",
            '"result": step.result.model_dump(mode="json")',
            '"result": None',
        ),
        in_ci=True,
    ),
    _mutant(
        "recovery_point_not_advanced",
        "a crashed operation is lost",
        (
            "engine/stand.py",
            '                "recovery_point": step.point.name,\n',
            "",
        ),
        in_ci=True,
    ),
    _mutant(
        "gross_posted_twice",
        "the books show money that is not there",
        (
            "operations/observe.py",
            "    if more <= 0:\n        return\n",
            "    if total <= 0:\n        return\n    more = total\n",
        ),
        (
            "operations/observe.py",
            "fact_key=capture_fact(row.binding, charge or row.id, total),",
            "fact_key=capture_fact(row.binding, str(tx.new_uuid()), total),",
        ),
        in_ci=True,
        area="ledger",
    ),
    _mutant(
        "stale_read_applied",
        "an old read overwrites a newer state",
        (
            "operations/apply_event.py",
            "(read is None or read.version != payment.version)",
            "read is None",
        ),
        (
            "operations/refresh_payment.py",
            "    fresh = row.version == read.version\n    return observe_payment(",
            "    fresh = True\n    return observe_payment(",
        ),
        area="inbox",
    ),
    _mutant(
        "payload_of_cyclic_status_applied",
        "a late event takes the payment back to an earlier state",
        (
            "operations/observe.py",
            "(seen.status not in _PROVEN and not fresh)",
            "False",
        ),
        (
            "operations/apply_event.py",
            "cyclic = subject.status in _CYCLIC and payment.state in _OPEN",
            "cyclic = False",
        ),
        area="inbox",
    ),
    _mutant(
        "execute_before_ignored",
        "a payer is charged after having left",
        (
            "engine/stand.py",
            "    if ctx.execute_before is not None and _bound(op, point):",
            "    if False:",
        ),
        (
            "engine/engine.py",
            "        late = row.execute_before is not None and "
            "tx.now >= row.execute_before",
            "        late = False",
        ),
        area="resolver",
    ),
    _mutant(
        "failed_refund_keeps_its_reservation",
        "the customer can never be refunded again",
        (
            "operations/observe_refund.py",
            "    if after.state in _OVER:\n",
            "    if False:\n",
        ),
        area="refunds",
    ),
    _mutant(
        "refund_failure_not_booked",
        "the books say refunded, the customer has nothing",
        (
            "operations/observe_refund.py",
            "    if before.state is RefundState.SUCCEEDED:\n",
            "    if False:\n",
        ),
        area="refunds",
    ),
    _mutant(
        "refund_not_reserved",
        "refunds in parallel exceed what was captured",
        (
            "store/payments.py",
            "        <= payment.c.captured\n",
            "        >= 0\n",
        ),
        area="refunds",
    ),
    _mutant(
        "claim_never_released",
        "the payment is blocked for ever",
        (
            "store/claims.py",
            "    tx.later(_RELEASE, {",
            "    dict({",
        ),
    ),
    _mutant(
        "work_finished_before_it_is_done",
        "an operation whose outcome is unknown is never looked at again",
        (
            "engine/resolving.py",
            '        work.postpone(tx, "operation", row.id, lease, '
            "delay=delay, counted=counted)",
            '        work.finish(tx, "operation", row.id, lease)',
        ),
        area="resolver",
    ),
    _mutant(
        "fee_posted_per_look",
        "fees are booked again with every look",
        (
            "operations/refresh_payment.py",
            "fact_key=balance_fact(row.binding, one.reference),",
            "fact_key=balance_fact(row.binding, str(tx.new_uuid())),",
        ),
        area="ledger",
    ),
    _mutant(
        "no_evidence_after_conflict",
        "an operation that was done already ends as a case",
        (
            "engine/hearing.py",
            "    if isinstance(answer, Conflict | Unknown) "
            "and (sent or before is None):\n",
            "    if False:\n",
        ),
        (
            "engine/hearing.py",
            "    if at.maybe_executed "
            "or env.world.now() >= at.attempt.write_deadline:\n",
            "    if False:\n",
        ),
        area="resolver",
    ),
    _mutant(
        "clock_never_cancels",
        "the order of a payer who has left can never be paid for again",
        (
            "engine/clocks.py",
            "    if _Moment.ABANDONED in due:\n",
            "    if False:\n",
        ),
    ),
    *ASKING,
    *MESSAGES,
    *MONEY,
)
