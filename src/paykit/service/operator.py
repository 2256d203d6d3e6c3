"""What a person does who looks after the payments: `PaymentService.operator`."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Protocol, TypeVar

from paykit.engine import Engine, Flow, commit
from paykit.operations import alarms, breaks, dead_letters, deliveries, resolve_case
from paykit.operations.breaks import BreakPage, BreakView
from paykit.operations.cases import (
    CasePage,
    OperationView,
    list_cases,
    show_operation,
)
from paykit.operations.dead_letters import DeadLetterPage, WebhookView
from paykit.operations.deliveries import ParkedPage
from paykit.operations.resolve_case import Verdict
from paykit.store.alarms import Alarm, AlarmKind

__all__ = ["AsyncOperator", "Operator"]

T = TypeVar("T")


class _Run(Protocol):
    def __call__(self, flow: Flow[T], /) -> T: ...


class _AsyncRun(Protocol):
    def __call__(self, flow: Flow[T], /) -> Awaitable[T]: ...


class Operator:
    """Cases, breaks, dead letters and parked deliveries, with blocking calls."""

    def __init__(self, run: _Run, engine: Engine) -> None:
        self._run = run
        self._engine = engine

    def cases(self, *, limit: int = 50, after: str | None = None) -> CasePage:
        """
        Return the operations whose outcome nobody could find out, oldest first.

        Each waits for a person. Pass `CasePage.next` as `after` for more.
        """
        return self._run(commit(partial(list_cases, limit, after)))

    def case(self, operation_id: str) -> OperationView:
        """Return all that is known about an operation; also if it is no case."""
        return self._run(commit(partial(show_operation, operation_id)))

    def look_again(self, operation_id: str, *, actor: str) -> OperationView:
        """Give a case back to the workers, with a fresh schedule."""
        flow = resolve_case.look_again(self._engine, operation_id, actor=actor)
        return self._run(flow)

    def resolve_case(
        self,
        operation_id: str,
        *,
        verdict: Verdict,
        actor: str,
        reason: str,
        evidence: str,
    ) -> OperationView:
        """
        End a case: `Executed(psp_reference)`, or `NotExecuted()`.

        What is said to be executed is read from the PSP and recorded as that shows.
        What is not fails for good, once nothing can be sent any more, and gives back
        what it had claimed. `actor`, `reason` and `evidence` go into the payment's
        history. Raises `NotAllowed` if it is too early, or if the PSP shows otherwise.
        """
        flow = resolve_case.resolve_case(
            self._engine,
            operation_id,
            verdict=verdict,
            actor=actor,
            reason=reason,
            evidence=evidence,
        )
        return self._run(flow)

    def list_breaks(
        self, *, limit: int = 50, after: str | None = None, closed: bool = False
    ) -> BreakPage:
        """
        Return where the PSP and paykit disagree, oldest first; with `closed` all.

        Each waits for a person, or for the PSP to show that it is over. Pass
        `BreakPage.next` as `after` for more.
        """
        return self._run(commit(partial(breaks.list_breaks, limit, after, closed)))

    def get_break(self, break_id: str) -> BreakView:
        """Return one break, open or closed; or `NotFound`."""
        return self._run(commit(partial(breaks.show_break, break_id)))

    def close_break(self, break_id: str, *, actor: str, reason: str) -> BreakView:
        """
        Say that a break is understood, so that it needs nobody any more.

        Nothing is booked or sent by it. `actor` and `reason` go into the history of
        what it is about. The same shown again leaves it closed; what is new opens it or
        another one. Raises `NotFound`, or `NotAllowed` if it is closed already.
        """
        return self._run(breaks.close_break(break_id, actor, reason))

    def parked(self, *, limit: int = 50, after: str | None = None) -> ParkedPage:
        """
        Return events that could not be delivered, oldest first.

        Each holds up the later events of its payment, until somebody releases or skips
        it. Pass `ParkedPage.next` as `after` for more.
        """
        return self._run(commit(partial(deliveries.list_parked, limit, after)))

    def release(self, event_id: str, *, actor: str) -> None:
        """
        Deliver a parked event again, from the start of its schedule.

        `actor` is who does it, for the payment's history. Raises `NotFound` if it is
        not parked (any more).
        """
        self._run(deliveries.release(self._engine.env, event_id, actor))

    def skip(self, event_id: str, *, actor: str, reason: str) -> None:
        """
        Give a parked event up; the next one of its payment has its turn.

        What the host's handlers miss, its message broker still gets. `actor` and
        `reason` go into the payment's history. Raises `NotFound` if it is not parked.
        """
        self._run(deliveries.skip(self._engine.env, event_id, actor, reason))

    def dead_letters(
        self,
        *,
        limit: int = 50,
        after: str | None = None,
        event_type: str | None = None,
        reason: str | None = None,
    ) -> DeadLetterPage:
        """
        Return webhooks that could not be applied, in the order of their ids.

        Only those of `event_type`, or with `reason` in theirs, if one is given. Pass
        `DeadLetterPage.next` as `after` for more.
        """
        find = dead_letters.list_dead_letters
        return self._run(commit(partial(find, limit, after, event_type, reason)))

    def webhook(self, inbox_id: str) -> WebhookView:
        """Return one webhook of any status, with what people did; or `NotFound`."""
        return self._run(commit(partial(dead_letters.read_webhook, inbox_id)))

    def replay(self, inbox_id: str, *, actor: str) -> WebhookView:
        """
        Let a worker apply a dead or ignored webhook again, as if it had just come.

        Raises `NotFound`, or `NotAllowed` if it was applied or its body was erased.
        """
        return self._run(dead_letters.replay(inbox_id, actor))

    def replay_all(
        self, *, actor: str, event_type: str | None = None, reason: str | None = None
    ) -> int:
        """Replay every dead letter, or those that fit; return how many."""
        return self._run(dead_letters.replay_all(actor, event_type, reason))

    def discard(self, inbox_id: str, *, actor: str, reason: str) -> WebhookView:
        """
        Give a dead letter up that nobody can ever apply; it ends ``ignored``.

        Raises `NotFound`, or `NotAllowed` if it is pending or was applied.
        """
        return self._run(dead_letters.discard(inbox_id, actor, reason))

    def alarms(self, *, closed: bool = False) -> tuple[Alarm, ...]:
        """
        Return what is wrong with webhooks, oldest first; with `closed` what was, too.

        An alarm opens and closes by what is seen; see `Alarm` and `AlarmKind`.
        """
        return self._run(commit(partial(alarms.list_alarms, closed)))

    def close_alarm(self, kind: AlarmKind | str, subject: str, *, actor: str) -> None:
        """
        Close an alarm by hand, as a gap in the events can only be.

        `actor` is written down with it. It opens again if what it tells of is seen
        again. Raises `NotFound` if it is not open.
        """
        self._run(alarms.close_alarm(kind, subject, actor))


class AsyncOperator:
    """`Operator` for asyncio."""

    def __init__(self, run: _AsyncRun, engine: Engine) -> None:
        self._run = run
        self._engine = engine

    async def cases(self, *, limit: int = 50, after: str | None = None) -> CasePage:
        """See `Operator.cases`."""
        return await self._run(commit(partial(list_cases, limit, after)))

    async def case(self, operation_id: str) -> OperationView:
        """See `Operator.case`."""
        return await self._run(commit(partial(show_operation, operation_id)))

    async def look_again(self, operation_id: str, *, actor: str) -> OperationView:
        """See `Operator.look_again`."""
        flow = resolve_case.look_again(self._engine, operation_id, actor=actor)
        return await self._run(flow)

    async def resolve_case(
        self,
        operation_id: str,
        *,
        verdict: Verdict,
        actor: str,
        reason: str,
        evidence: str,
    ) -> OperationView:
        """See `Operator.resolve_case`."""
        flow = resolve_case.resolve_case(
            self._engine,
            operation_id,
            verdict=verdict,
            actor=actor,
            reason=reason,
            evidence=evidence,
        )
        return await self._run(flow)

    async def list_breaks(
        self, *, limit: int = 50, after: str | None = None, closed: bool = False
    ) -> BreakPage:
        """See `Operator.list_breaks`."""
        flow = commit(partial(breaks.list_breaks, limit, after, closed))
        return await self._run(flow)

    async def get_break(self, break_id: str) -> BreakView:
        """See `Operator.get_break`."""
        return await self._run(commit(partial(breaks.show_break, break_id)))

    async def close_break(self, break_id: str, *, actor: str, reason: str) -> BreakView:
        """See `Operator.close_break`."""
        return await self._run(breaks.close_break(break_id, actor, reason))

    async def parked(self, *, limit: int = 50, after: str | None = None) -> ParkedPage:
        """See `Operator.parked`."""
        return await self._run(commit(partial(deliveries.list_parked, limit, after)))

    async def release(self, event_id: str, *, actor: str) -> None:
        """See `Operator.release`."""
        await self._run(deliveries.release(self._engine.env, event_id, actor))

    async def skip(self, event_id: str, *, actor: str, reason: str) -> None:
        """See `Operator.skip`."""
        await self._run(deliveries.skip(self._engine.env, event_id, actor, reason))

    async def dead_letters(
        self,
        *,
        limit: int = 50,
        after: str | None = None,
        event_type: str | None = None,
        reason: str | None = None,
    ) -> DeadLetterPage:
        """See `Operator.dead_letters`."""
        find = dead_letters.list_dead_letters
        return await self._run(commit(partial(find, limit, after, event_type, reason)))

    async def webhook(self, inbox_id: str) -> WebhookView:
        """See `Operator.webhook`."""
        return await self._run(commit(partial(dead_letters.read_webhook, inbox_id)))

    async def replay(self, inbox_id: str, *, actor: str) -> WebhookView:
        """See `Operator.replay`."""
        return await self._run(dead_letters.replay(inbox_id, actor))

    async def replay_all(
        self, *, actor: str, event_type: str | None = None, reason: str | None = None
    ) -> int:
        """See `Operator.replay_all`."""
        return await self._run(dead_letters.replay_all(actor, event_type, reason))

    async def discard(self, inbox_id: str, *, actor: str, reason: str) -> WebhookView:
        """See `Operator.discard`."""
        return await self._run(dead_letters.discard(inbox_id, actor, reason))

    async def alarms(self, *, closed: bool = False) -> tuple[Alarm, ...]:
        """See `Operator.alarms`."""
        return await self._run(commit(partial(alarms.list_alarms, closed)))

    async def close_alarm(
        self, kind: AlarmKind | str, subject: str, *, actor: str
    ) -> None:
        """See `Operator.close_alarm`."""
        await self._run(alarms.close_alarm(kind, subject, actor))
