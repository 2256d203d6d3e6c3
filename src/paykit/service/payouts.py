"""What both services read of payouts; they begin at the PSP, and nothing is sent."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Protocol, TypeVar

from paykit.engine import Flow, commit
from paykit.lifecycle import PayoutState
from paykit.operations import EventView, read_payouts
from paykit.operations.commands import check_merchant
from paykit.operations.read_payouts import PayoutPage, PayoutView
from paykit.service.base import DEFAULT_MERCHANT

__all__ = ["AsyncPayouts", "Payouts"]

T = TypeVar("T")


class _Runs(Protocol):
    def run(self, flow: Flow[T]) -> T: ...


class _RunsAsync(Protocol):
    def run(self, flow: Flow[T]) -> Awaitable[T]: ...


class Payouts:
    """The part of `PaymentService` that is about payouts."""

    def get_payout(
        self: _Runs, payout_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> PayoutView:
        """Return a payout as it is stored; `merchant` owns the account at the PSP."""
        merchant = check_merchant(merchant)
        read = partial(read_payouts.get_payout, payout_id, merchant)
        return self.run(commit(read))

    def list_payouts(
        self: _Runs,
        *,
        merchant: str = DEFAULT_MERCHANT,
        state: PayoutState | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> PayoutPage:
        """Return payouts, newest first; pass `PayoutPage.next` as `after` for more."""
        merchant = check_merchant(merchant)
        read = partial(read_payouts.list_payouts, merchant, state, limit, after)
        return self.run(commit(read))

    def payout_events(
        self: _Runs, payout_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[EventView, ...]:
        """Return the immutable history of a payout, oldest first."""
        merchant = check_merchant(merchant)
        read = partial(read_payouts.payout_events, payout_id, merchant)
        return self.run(commit(read))


class AsyncPayouts:
    """The part of `AsyncPaymentService` that is about payouts."""

    async def get_payout(
        self: _RunsAsync, payout_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> PayoutView:
        """See `Payouts.get_payout`."""
        merchant = check_merchant(merchant)
        read = partial(read_payouts.get_payout, payout_id, merchant)
        return await self.run(commit(read))

    async def list_payouts(
        self: _RunsAsync,
        *,
        merchant: str = DEFAULT_MERCHANT,
        state: PayoutState | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> PayoutPage:
        """See `Payouts.list_payouts`."""
        merchant = check_merchant(merchant)
        read = partial(read_payouts.list_payouts, merchant, state, limit, after)
        return await self.run(commit(read))

    async def payout_events(
        self: _RunsAsync, payout_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[EventView, ...]:
        """See `Payouts.payout_events`."""
        merchant = check_merchant(merchant)
        read = partial(read_payouts.payout_events, payout_id, merchant)
        return await self.run(commit(read))
