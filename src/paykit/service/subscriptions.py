"""What both services read of subscriptions; they begin at the PSP, nothing is sent."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Protocol, TypeVar

from paykit.engine import Flow, commit
from paykit.operations import EventView, read_subscriptions
from paykit.operations.commands import check_merchant
from paykit.operations.read_subscriptions import SubscriptionPage, SubscriptionView
from paykit.service.base import DEFAULT_MERCHANT

__all__ = ["AsyncSubscriptions", "Subscriptions"]

T = TypeVar("T")


class _Runs(Protocol):
    def run(self, flow: Flow[T]) -> T: ...


class _RunsAsync(Protocol):
    def run(self, flow: Flow[T]) -> Awaitable[T]: ...


class Subscriptions:
    """The part of `PaymentService` that is about subscriptions."""

    def get_subscription(
        self: _Runs, subscription_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> SubscriptionView:
        """Return a subscription as it is stored, by paykit's id of it."""
        merchant = check_merchant(merchant)
        read = partial(read_subscriptions.get_subscription, subscription_id, merchant)
        return self.run(commit(read))

    def list_subscriptions(
        self: _Runs,
        *,
        merchant: str = DEFAULT_MERCHANT,
        psp_reference: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> SubscriptionPage:
        """
        Return subscriptions, newest first; `psp_reference` is the PSP's id of one.

        Pass `SubscriptionPage.next` as `after` for more.
        """
        merchant = check_merchant(merchant)
        asked = (merchant, psp_reference, limit, after)
        return self.run(commit(partial(read_subscriptions.list_subscriptions, *asked)))

    def subscription_events(
        self: _Runs, subscription_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[EventView, ...]:
        """Return the immutable history of a subscription, oldest first."""
        asked = (subscription_id, check_merchant(merchant))
        return self.run(commit(partial(read_subscriptions.subscription_events, *asked)))


class AsyncSubscriptions:
    """The part of `AsyncPaymentService` that is about subscriptions."""

    async def get_subscription(
        self: _RunsAsync, subscription_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> SubscriptionView:
        """See `Subscriptions.get_subscription`."""
        merchant = check_merchant(merchant)
        read = partial(read_subscriptions.get_subscription, subscription_id, merchant)
        return await self.run(commit(read))

    async def list_subscriptions(
        self: _RunsAsync,
        *,
        merchant: str = DEFAULT_MERCHANT,
        psp_reference: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> SubscriptionPage:
        """See `Subscriptions.list_subscriptions`."""
        merchant = check_merchant(merchant)
        asked = (merchant, psp_reference, limit, after)
        read = partial(read_subscriptions.list_subscriptions, *asked)
        return await self.run(commit(read))

    async def subscription_events(
        self: _RunsAsync, subscription_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[EventView, ...]:
        """See `Subscriptions.subscription_events`."""
        asked = (subscription_id, check_merchant(merchant))
        read = partial(read_subscriptions.subscription_events, *asked)
        return await self.run(commit(read))
