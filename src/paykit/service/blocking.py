"""`PaymentService`: the face of paykit for blocking applications."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy import Engine as Database
from sqlalchemy.orm import Session

from paykit.clock import SYSTEM, World
from paykit.engine import (
    Driver,
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
from paykit.psp import Psp
from paykit.queue import Publisher
from paykit.store import ledger
from paykit.store.balances import AccountBalance

if TYPE_CHECKING:
    pass

from paykit.service.base import (
    DEFAULT_MERCHANT,
    CancelReason,
    Capture,
    FutureUsage,
    RefundReason,
    Service,
)
from paykit.service.operator import Operator
from paykit.service.payouts import Payouts
from paykit.service.subscriptions import Subscriptions

__all__ = ["PaymentService"]

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)


class PaymentService(Service, Payouts, Subscriptions):
    """Payments for blocking applications (Flask, Django, scripts).

    `engine` is the host's SQLAlchemy engine; paykit opens short transactions of its own
    on it and holds none while the PSP is asked. `psp` is an adapter, or a
    `PspDirectory` that finds one by merchant. `installation` names this deployment in
    the PSP's idempotency keys: keep it for good, and let two deployments that share a
    PSP account have different ones. `publisher` takes events to a message broker: give
    the same one to every worker.
    """

    def __init__(
        self,
        engine: Database,
        *,
        psp: Psp | PspDirectory,
        policy: Policy | None = None,
        world: World = SYSTEM,
        installation: str = "default",
        publisher: Publisher | None = None,
    ) -> None:
        if not isinstance(engine, Database):
            raise UsageError("PaymentService needs a sqlalchemy.Engine")
        super().__init__(
            psp,
            policy=policy,
            world=world,
            installation=installation,
            publisher=publisher,
        )
        self.driver = Driver.on(engine, self.engine.env.psps, world)
        self.operator = Operator(self.run, self.engine)

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
        statement_descriptor: str | None = None,
        statement_descriptor_suffix: str | None = None,
        receipt_email: str | None = None,
        on_behalf_of: str | None = None,
        setup_future_usage: FutureUsage | None = None,
        multicapture: bool = False,
        incremental_authorization: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> PaymentView:
        """
        Open a payment; nobody is charged before it is confirmed.

        The result has the `client_secret` for Stripe.js. `reference` is the host's
        order: a second live payment for it is refused. ``capture="manual"`` only
        authorizes when it is confirmed. What `multicapture` and
        `incremental_authorization` ask for, the card may refuse: the result tells.
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
        final: bool | None = None,
    ) -> PaymentView:
        """
        Take what was authorized, or `amount` of it; the rest is released.

        Where the payment can be captured in parts (`PaymentView.multicapture`) a part
        must say whether it is `final`: otherwise `FinalRequired` is raised, and
        nothing sent. ``final=False`` keeps the rest, and raises `NotAvailable` where
        that cannot be. An amount of zero with ``final=True`` releases what is left.
        """
        fields = {"payment_id": payment_id, "money": amount, "final": final}
        return self._do(CAPTURE_PAYMENT, idempotency_key, merchant, fields)

    def increment_authorization(
        self,
        payment_id: str,
        *,
        amount: Money,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
    ) -> PaymentView:
        """
        Raise what is authorized to `amount`: the new total, not what is added.

        Raises `NotAvailable` unless it was asked for at creation and the card offers
        it. A decline is a result: see `PaymentView.decline`; what was authorized stays.
        """
        fields = {"payment_id": payment_id, "money": amount}
        return self._do(INCREMENT_AUTHORIZATION, idempotency_key, merchant, fields)

    def update_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        amount: Money | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> PaymentView:
        """
        Change a payment that is not paid yet; what is not given stays.

        `metadata` is added to what there is. Raises `IllegalTransition` for a payment
        that was authorized, paid or canceled, or whose bank works on it.
        """
        return self._do(
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

    def cancel_payment(
        self,
        payment_id: str,
        *,
        idempotency_key: str,
        merchant: str = DEFAULT_MERCHANT,
        reason: CancelReason | str | None = None,
    ) -> PaymentView:
        """
        End a payment that has not succeeded; an authorization is released.

        If the charge was faster, the result is a payment that succeeded. A `reason`
        that the PSP has no word for is kept here (`PaymentView.cancel_reason`).
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
                "metadata": metadata,
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

    def list_disputes(
        self, payment_id: str, *, merchant: str = DEFAULT_MERCHANT
    ) -> tuple[DisputeView, ...]:
        """Return the disputes of a payment, oldest first; they begin at the PSP."""
        merchant = check_merchant(merchant)
        return self.run(commit(partial(reads.list_disputes, payment_id, merchant)))

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
        """Return what is pending and what needs a person, for monitoring."""
        return self.run(commit(partial(health, self.engine.env)))

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
