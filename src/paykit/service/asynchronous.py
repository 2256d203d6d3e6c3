"""`AsyncPaymentService`: the face of paykit for asyncio applications."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Engine as Database

from paykit.clock import SYSTEM, World
from paykit.engine import (
    Flow,
    Operation,
    Policy,
    PspDirectory,
    commit,
)
from paykit.errors import UsageError
from paykit.lifecycle import PaymentState
from paykit.money import Money
from paykit.operations import (
    CANCEL_PAYMENT,
    CAPTURE_PAYMENT,
    CONFIRM_PAYMENT,
    CREATE_PAYMENT,
    INCREMENT_AUTHORIZATION,
    REFUND_PAYMENT,
    UPDATE_PAYMENT,
    DisputeView,
    EventView,
    PaymentView,
    RefundView,
    calls,
    reads,
)
from paykit.operations.calls import Begun
from paykit.operations.commands import Command, check_merchant
from paykit.operations.health import Health, health
from paykit.operations.reads import Page
from paykit.psp import AsyncPsp
from paykit.queue import AsyncPublisher
from paykit.store import ledger
from paykit.store.balances import AccountBalance

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from paykit.service.base import (
    DEFAULT_MERCHANT,
    CancelReason,
    Capture,
    FutureUsage,
    RefundReason,
    Service,
)
from paykit.service.operator import AsyncOperator
from paykit.service.payouts import AsyncPayouts
from paykit.service.subscriptions import AsyncSubscriptions

__all__ = ["AsyncPaymentService"]

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)


class AsyncPaymentService(Service, AsyncPayouts, AsyncSubscriptions):
    """Payments for asyncio applications (FastAPI, Starlette); see `PaymentService`.

    A call that has begun runs to its end even if its caller is canceled, so that what
    the PSP answered is recorded.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        psp: AsyncPsp | PspDirectory,
        policy: Policy | None = None,
        world: World = SYSTEM,
        installation: str = "default",
        publisher: AsyncPublisher | None = None,
    ) -> None:
        # Importing it costs what sqlalchemy.ext.asyncio costs.
        from paykit.engine.async_driver import AsyncDriver

        if isinstance(engine, Database):
            raise UsageError("AsyncPaymentService needs an AsyncEngine")
        super().__init__(
            psp,
            policy=policy,
            world=world,
            installation=installation,
            publisher=publisher,
        )
        self.driver = AsyncDriver.on(engine, self.engine.env.psps, world)
        self.operator = AsyncOperator(self.run, self.engine)

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow of the engine; for workers and receivers."""
        return await self.driver.run(flow)

    async def _do(
        self,
        op: Operation[Any, R],
        key: str,
        merchant: str,
        fields: Mapping[str, object],
    ) -> R:
        return await self.run(calls.call(self.engine, op, key, merchant, fields))

    async def create_payment(
        self,
        *,
        amount: Money,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        reference: str | None = None,
        capture: Capture | None = None,
        payment_method: str | None = None,
        customer: str | None = None,
        description: str | None = None,
        statement_descriptor: str | None = None,
        statement_descriptor_suffix: str | None = None,
        receipt_email: str | None = None,
        on_behalf_of: str | None = None,
        setup_future_usage: FutureUsage | None = None,
        multicapture: bool = False,
        incremental_authorization: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> PaymentView:
        """See `PaymentService.create_payment`."""
        return await self._do(
            CREATE_PAYMENT,
            idempotency_key,
            merchant,
            {
                "money": amount,
                "reference": reference,
                "capture": capture,
                "payment_method": payment_method,
                "customer": customer,
                "description": description,
                "statement_descriptor": statement_descriptor,
                "statement_descriptor_suffix": statement_descriptor_suffix,
                "receipt_email": receipt_email,
                "on_behalf_of": on_behalf_of,
                "setup_future_usage": setup_future_usage,
                "multicapture": multicapture or None,
                "incremental_authorization": incremental_authorization or None,
                "metadata": metadata,
            },
        )

    async def confirm_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        payment_method: str | None = None,
        return_url: str | None = None,
    ) -> PaymentView:
        """See `PaymentService.confirm_payment`."""
        return await self._do(
            CONFIRM_PAYMENT,
            idempotency_key,
            merchant,
            {
                "payment_id": payment_id,
                "payment_method": payment_method,
                "return_url": return_url,
            },
        )

    async def capture_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        amount: Money | None = None,
        final: bool | None = None,
    ) -> PaymentView:
        """See `PaymentService.capture_payment`."""
        fields = {"payment_id": payment_id, "money": amount, "final": final}
        return await self._do(CAPTURE_PAYMENT, idempotency_key, merchant, fields)

    async def increment_authorization(
        self,
        payment_id: str,
        *,
        amount: Money,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
    ) -> PaymentView:
        """See `PaymentService.increment_authorization`."""
        fields = {"payment_id": payment_id, "money": amount}
        op = INCREMENT_AUTHORIZATION
        return await self._do(op, idempotency_key, merchant, fields)

    async def update_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        amount: Money | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> PaymentView:
        """See `PaymentService.update_payment`."""
        return await self._do(
            UPDATE_PAYMENT,
            idempotency_key,
            merchant,
            {
                "payment_id": payment_id,
                "money": amount,
                "description": description,
                "metadata": metadata,
            },
        )

    async def cancel_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        reason: CancelReason | str | None = None,
    ) -> PaymentView:
        """See `PaymentService.cancel_payment`."""
        fields = {"payment_id": payment_id, "reason": reason}
        return await self._do(CANCEL_PAYMENT, idempotency_key, merchant, fields)

    async def refund_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        amount: Money | None = None,
        reason: RefundReason | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> RefundView:
        """See `PaymentService.refund_payment`."""
        return await self._do(
            REFUND_PAYMENT,
            idempotency_key,
            merchant,
            {
                "payment_id": payment_id,
                "money": amount,
                "reason": reason,
                "metadata": metadata,
            },
        )

    async def get_payment(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> PaymentView:
        """See `PaymentService.get_payment`."""
        merchant = check_merchant(merchant)
        return await self.run(commit(partial(reads.get_payment, payment_id, merchant)))

    async def refresh_payment(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> PaymentView:
        """See `PaymentService.refresh_payment`."""
        return await self.run(calls.refresh(self.engine, payment_id, merchant))

    async def list_payments(
        self,
        *,
        merchant: str = DEFAULT_MERCHANT,
        state: PaymentState | None = None,
        reference: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """See `PaymentService.list_payments`."""
        merchant = check_merchant(merchant)
        read = partial(reads.list_payments, merchant, state, reference, limit, after)
        return await self.run(commit(read))

    async def list_refunds(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[RefundView, ...]:
        """See `PaymentService.list_refunds`."""
        merchant = check_merchant(merchant)
        return await self.run(commit(partial(reads.list_refunds, payment_id, merchant)))

    async def list_disputes(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[DisputeView, ...]:
        """See `PaymentService.list_disputes`."""
        merchant = check_merchant(merchant)
        return await self.run(
            commit(partial(reads.list_disputes, payment_id, merchant))
        )

    async def payment_events(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[EventView, ...]:
        """See `PaymentService.payment_events`."""
        merchant = check_merchant(merchant)
        return await self.run(
            commit(partial(reads.payment_events, payment_id, merchant))
        )

    async def trial_balance(self, merchant: str | None = None) -> list[AccountBalance]:
        """See `PaymentService.trial_balance`."""
        return await self.run(
            commit(lambda tx: ledger.trial_balance(tx.connection, merchant))
        )

    async def health(self) -> Health:
        """See `PaymentService.health`."""
        return await self.run(commit(partial(health, self.engine.env)))

    async def begin(
        self,
        command: Command,
        *,
        session: AsyncSession,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
    ) -> Begun:
        """See `PaymentService.begin`."""
        connection = await session.connection()
        await connection.run_sync(self.driver.schema)
        return await connection.run_sync(
            lambda c: calls.begin(self.engine, c, command, idempotency_key, merchant)
        )

    async def finish(self, begun: Begun) -> PaymentView | RefundView:
        """See `PaymentService.finish`."""
        result = await self.run(calls.finish(self.engine, begun.operation_id))
        assert isinstance(result, PaymentView | RefundView)
        return result
