"""
The face of paykit: `PaymentService` for blocking applications, `AsyncPaymentService`
for asyncio. Both have the same methods and run the very same operations.

Every write takes an `idempotency_key`: repeat a call with the same key and nothing
happens twice; you get the same result, today and in years. `merchant` is for hosts that
serve several; a single shop never needs it.

What writes can raise, beyond `InvalidRequest` for bad input: `IdempotencyKeyReused`,
`InProgress`, `OutcomeUnknown`, `PspUnavailable`, `PspRejected`, `PspMisconfigured`,
`NotFound` and `NotAllowed`; any call raises `SchemaOutOfDate` until ``paykit migrate``
has run; see `paykit.errors` for what each one asks of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy import Engine as Database
from sqlalchemy.orm import Session

from paykit.clock import SYSTEM, World
from paykit.engine import (
    Driver,
    Engine,
    Environment,
    Flow,
    Handler,
    Handlers,
    Operation,
    Policy,
    PspDirectory,
    SinglePsp,
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
    REFUND_PAYMENT,
    EventView,
    PaymentView,
    RefundView,
    calls,
    reads,
)
from paykit.operations.calls import Begun
from paykit.operations.commands import Command, check_merchant
from paykit.operations.reads import Health, Page
from paykit.psp import AnyPsp, AsyncPsp, Psp
from paykit.store import ledger
from paykit.store.balances import AccountBalance

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

__all__ = ["AsyncPaymentService", "PaymentService"]

DEFAULT_MERCHANT: Final = "default"

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)
H = TypeVar("H", bound=Callable[..., object])

Capture = Literal["automatic", "manual"]
CancelReason = Literal["abandoned", "duplicate", "fraudulent", "requested_by_customer"]
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]


def _directory(psp: AnyPsp | PspDirectory) -> PspDirectory:
    return SinglePsp(psp) if hasattr(psp, "prepare") else psp  # type: ignore[arg-type]


class _Service:
    """What both services are made of; everything but waiting."""

    engine: Engine
    handlers: Handlers[EventView, object]

    def __init__(
        self,
        psp: AnyPsp | PspDirectory,
        *,
        policy: Policy | None,
        world: World,
        installation: str,
    ) -> None:
        self.engine = Engine(
            env=Environment(
                psps=_directory(psp),
                world=world,
                policy=policy or Policy(),
                installation=installation,
            )
        )
        self.handlers = Handlers()

    def on(self, event_type: str) -> Callable[[H], H]:
        """
        Register a handler for an event, as a decorator::

            @service.on("payment.succeeded")
            def ship(event: EventView, session: Session) -> None: ...

        A worker calls it. What it writes through `session` commits together with the
        mark that the event is delivered, so it happens once. ``payment.*`` and ``*``
        match more than one type.
        """

        def register(handler: H) -> H:
            typed: Handler[EventView, object] = handler  # type: ignore[assignment]
            self.handlers.add(event_type, typed)
            return handler

        return register


class PaymentService(_Service):
    """Payments for blocking applications (Flask, Django, scripts).

    `engine` is the host's SQLAlchemy engine; paykit opens short transactions of its own
    on it and holds none while the PSP is asked. `psp` is an adapter, or a
    `PspDirectory` that finds one by merchant. `installation` names this deployment in
    the PSP's idempotency keys: keep it for good, and let two deployments that share a
    PSP account have different ones.
    """

    def __init__(
        self,
        engine: Database,
        *,
        psp: Psp | PspDirectory,
        policy: Policy | None = None,
        world: World = SYSTEM,
        installation: str = "default",
    ) -> None:
        if not isinstance(engine, Database):
            raise UsageError("PaymentService needs a sqlalchemy.Engine")
        super().__init__(psp, policy=policy, world=world, installation=installation)
        self.driver = Driver.on(engine, self.engine.env.psps, world)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow of the engine; for workers and receivers."""
        return self.driver.run(flow)

    def _do(
        self,
        op: Operation[Any, R],
        key: str,
        merchant: str,
        fields: Mapping[str, object],
    ) -> R:
        return self.run(calls.call(self.engine, op, key, merchant, fields))

    def create_payment(
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
        statement_descriptor_suffix: str | None = None,
        receipt_email: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> PaymentView:
        """
        Open a payment; nobody is charged before it is confirmed.

        The result has the `client_secret` for Stripe.js. `reference` is the host's
        order: a second live payment for it is refused. ``capture="manual"`` only
        authorizes when it is confirmed.
        """
        return self._do(
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
                "statement_descriptor_suffix": statement_descriptor_suffix,
                "receipt_email": receipt_email,
                "metadata": metadata and dict(metadata),
            },
        )

    def confirm_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        payment_method: str | None = None,
        return_url: str | None = None,
    ) -> PaymentView:
        """
        Attempt the charge, from the server.

        A decline is a result: see `PaymentView.decline`. With ``requires_action`` the
        payer has to do something; see `PaymentView.next_action`.
        """
        return self._do(
            CONFIRM_PAYMENT,
            idempotency_key,
            merchant,
            {
                "payment_id": payment_id,
                "payment_method": payment_method,
                "return_url": return_url,
            },
        )

    def capture_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        amount: Money | None = None,
    ) -> PaymentView:
        """Take what was authorized, or `amount` of it; the rest is released."""
        fields = {"payment_id": payment_id, "money": amount}
        return self._do(CAPTURE_PAYMENT, idempotency_key, merchant, fields)

    def cancel_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        reason: CancelReason | None = None,
    ) -> PaymentView:
        """
        End a payment that has not succeeded; an authorization is released.

        If the charge was faster, the result is a payment that succeeded.
        """
        fields = {"payment_id": payment_id, "reason": reason}
        return self._do(CANCEL_PAYMENT, idempotency_key, merchant, fields)

    def refund_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        amount: Money | None = None,
        reason: RefundReason | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> RefundView:
        """
        Give back `amount`, or all that is left.

        Raises `RefundExceedsCaptured` if it is more than what is left, pending refunds
        taken off.
        """
        return self._do(
            REFUND_PAYMENT,
            idempotency_key,
            merchant,
            {
                "payment_id": payment_id,
                "money": amount,
                "reason": reason,
                "metadata": metadata and dict(metadata),
            },
        )

    def get_payment(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> PaymentView:
        """Return a payment as it is stored; never asks the PSP."""
        merchant = check_merchant(merchant)
        return self.run(commit(partial(reads.get_payment, payment_id, merchant)))

    def refresh_payment(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> PaymentView:
        """Read a payment from the PSP, its fees included, and return it."""
        return self.run(calls.refresh(self.engine, payment_id, merchant))

    def list_payments(
        self,
        *,
        merchant: str = DEFAULT_MERCHANT,
        state: PaymentState | None = None,
        reference: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """Return payments, newest first; pass `Page.next` as `after` for more."""
        merchant = check_merchant(merchant)
        read = partial(reads.list_payments, merchant, state, reference, limit, after)
        return self.run(commit(read))

    def list_refunds(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[RefundView, ...]:
        """Return the refunds of a payment, oldest first."""
        merchant = check_merchant(merchant)
        return self.run(commit(partial(reads.list_refunds, payment_id, merchant)))

    def payment_events(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[EventView, ...]:
        """Return the immutable history of a payment, oldest first."""
        merchant = check_merchant(merchant)
        return self.run(commit(partial(reads.payment_events, payment_id, merchant)))

    def trial_balance(self, merchant: str | None = None) -> list[AccountBalance]:
        """Return the ledger's accounts; debits equal credits in each currency."""
        return self.run(
            commit(lambda tx: ledger.trial_balance(tx.connection, merchant))
        )

    def health(self) -> Health:
        """Return how much work is pending, for monitoring."""
        return self.run(commit(reads.health))

    def begin(
        self,
        command: Command,
        *,
        session: Session,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
    ) -> Begun:
        """
        Run the first phase of a command inside the host's own transaction.

        Order and payment then commit together. paykit neither commits nor rolls back;
        after the commit call `finish`, or let a worker do it.
        """
        connection: Connection = session.connection()
        self.driver.schema(connection)
        return calls.begin(self.engine, connection, command, idempotency_key, merchant)

    def finish(self, begun: Begun) -> PaymentView | RefundView:
        """Bring a begun operation to its end, after the host's commit."""
        result = self.run(calls.finish(self.engine, begun.operation_id))
        assert isinstance(result, PaymentView | RefundView)
        return result


class AsyncPaymentService(_Service):
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
    ) -> None:
        # Importing it costs what sqlalchemy.ext.asyncio costs.
        from paykit.engine.async_driver import AsyncDriver

        if isinstance(engine, Database):
            raise UsageError("AsyncPaymentService needs an AsyncEngine")
        super().__init__(psp, policy=policy, world=world, installation=installation)
        self.driver = AsyncDriver.on(engine, self.engine.env.psps, world)

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
        statement_descriptor_suffix: str | None = None,
        receipt_email: str | None = None,
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
                "statement_descriptor_suffix": statement_descriptor_suffix,
                "receipt_email": receipt_email,
                "metadata": metadata and dict(metadata),
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
    ) -> PaymentView:
        """See `PaymentService.capture_payment`."""
        fields = {"payment_id": payment_id, "money": amount}
        return await self._do(CAPTURE_PAYMENT, idempotency_key, merchant, fields)

    async def cancel_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        reason: CancelReason | None = None,
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
                "metadata": metadata and dict(metadata),
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
        return await self.run(commit(reads.health))

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
