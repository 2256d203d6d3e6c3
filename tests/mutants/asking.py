"""Bugs in how the PSP is asked, and in how a doubt is resolved."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, mutant

__all__ = ["ASKING"]

ASKING: Final[tuple[Mutant, ...]] = (
    mutant(
        "parameters_built_again",
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
    mutant(
        "absence_believed_at_once",
        "a refund that is still on its way is given up, and then made",
        (
            "engine/evidence.py",
            "    if judged is None and env.world.now() >= at.attempt.write_deadline:\n",
            "    if judged is None:\n",
        ),
        (
            "engine/evidence.py",
            "    return passed and at.attempt.proved_by is None\n",
            "    return True\n",
        ),
        area="resolver",
    ),
    mutant(
        "evidence_is_any_capture",
        "the capture of somebody else is told as ours",
        (
            "operations/capture_payment.py",
            "    if evidence.captured == at.captured_before + at.amount:\n",
            "    if evidence.captured:\n",
        ),
        (
            "operations/capture_payment.py",
            "    if at.final is not None:\n        return _judge_part(at, evidence)\n",
            "",
        ),
        area="resolver",
    ),
    mutant(
        "refusal_of_the_gate_read_as_rejection",
        "an outage ends operations that may have been executed",
        (
            "engine/asking.py",
            "            return _held_back(found)\n        nap",
            "            from paykit.psp import Rejected\n"
            "            return Rejected(code='busy', message=found.reason)\n"
            "        nap",
        ),
        (
            "engine/asking.py",
            "    if isinstance(admitted, NotSent):\n",
            "    if not hasattr(admitted, 'era'):\n",
        ),
        area="limiter",
    ),
    mutant(
        "limiter_lets_everybody_go",
        "the PSP answers 429 to payers",
        (
            "engine/limiter.py",
            "    if wait > 0 and not books:\n",
            "    wait = 0.0\n    if wait > 0 and not books:\n",
        ),
        area="limiter",
    ),
    mutant(
        "limiter_forgets_to_wait",
        "what is booked for later is sent at once",
        (
            "engine/limiter.py",
            "    return taken, Turn(taken=True, wait_seconds=wait)\n",
            "    return taken, Turn(taken=True, wait_seconds=0.0)\n",
        ),
        area="limiter",
    ),
    mutant(
        "turn_never_given_back",
        "after one call to a payment every other one waits",
        (
            "engine/gate.py",
            "            self._writers.subtract([asking.writes_to])\n",
            "",
        ),
        (
            "engine/gate.py",
            "            if not overtake and self._writers[asking.writes_to]:\n",
            "            if self._writers[asking.writes_to]:\n",
        ),
        area="limiter",
    ),
    mutant(
        "circuit_never_closes",
        "after an outage nobody is let through any more",
        (
            "engine/breaker.py",
            "    expired = left <= timedelta(0)",
            "    expired = False",
        ),
        area="limiter",
    ),
)
