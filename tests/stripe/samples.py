"""Stripe's objects as plain JSON, reduced to what paykit reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final, TypeAlias

from paykit.money import Money
from paykit.psp import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    CreateRefund,
    FindPayment,
    FindRefund,
    IncrementAuthorization,
    ListBalanceTransactions,
    ListEvents,
    ListWebhookEndpoints,
    ReadInvoice,
    ReadPayment,
    ReadPayout,
    ReadRefund,
    ReadRequest,
    ReadSubscription,
    SearchPayments,
    UpdatePayment,
    WriteRequest,
)

Json: TypeAlias = dict[str, object]

SECRET_KEY: Final = "sk_test_51NotARealKeyJustLetters"
WEBHOOK_SECRET: Final = "whsec_notarealsecretjustletters"
CLIENT_SECRET: Final = "pi_1_secret_notarealclientsecret"

SINCE: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CREATED: Final = 1_795_262_400

WRITES: Final[dict[str, WriteRequest]] = {
    "create_payment": CreatePayment(
        amount=Money(1050, "usd"),
        capture="automatic",
        metadata={"paykit_operation": "op_1", "paykit_merchant": "m_1"},
    ),
    "create_payment_with_everything": CreatePayment(
        amount=Money(5000, "eur"),
        capture="manual",
        metadata={"note": "ä & = [1] + €"},
        payment_method="pm_card_visa",
        customer="cus_1",
        description="Zwei Bücher & 1 Stift",
        statement_descriptor_suffix="BOOKS",
        receipt_email="payer@example.com",
    ),
    "confirm_payment": ConfirmPayment(payment="pi_1", payment_method="pm_card_visa"),
    "confirm_payment_with_return_url": ConfirmPayment(
        payment="pi_1", return_url="https://shop.example/back?order=1"
    ),
    "capture_payment": CapturePayment(
        payment="pi_1", amount=Money(700, "usd"), metadata={"paykit_operation": "op_2"}
    ),
    "create_payment_that_is_flexible": CreatePayment(
        amount=Money(5000, "eur"),
        capture="manual",
        statement_descriptor="TEA & BOOKS",
        on_behalf_of="acct_1",
        setup_future_usage="off_session",
        multicapture=True,
        incremental_authorization=True,
    ),
    "create_payment_automatic_async": CreatePayment(
        amount=Money(5000, "eur"), capture="automatic_async"
    ),
    "capture_payment_in_part": CapturePayment(
        payment="pi_1", amount=Money(700, "usd"), final=False
    ),
    "capture_payment_nothing_more": CapturePayment(
        payment="pi_1", amount=Money(0, "usd"), final=True
    ),
    "increment_authorization": IncrementAuthorization(
        payment="pi_1", amount=Money(1500, "usd")
    ),
    "update_payment": UpdatePayment(
        payment="pi_1",
        amount=Money(700, "usd"),
        description="Zwei Bücher",
        metadata={"paykit_update_id": "op_4"},
    ),
    "update_payment_description": UpdatePayment(payment="pi_1", description="one"),
    "cancel_payment": CancelPayment(payment="pi_1", reason="abandoned"),
    "create_refund": CreateRefund(
        payment="pi_1",
        amount=Money(300, "usd"),
        reason="requested_by_customer",
        metadata={"paykit_operation": "op_3"},
    ),
}

READS: Final[dict[str, ReadRequest]] = {
    "read_payment": ReadPayment(payment="pi_1"),
    "read_refund": ReadRefund(refund="re_1"),
    "read_payout": ReadPayout(payout="po_1"),
    "read_subscription": ReadSubscription(subscription="sub_1"),
    "read_invoice": ReadInvoice(invoice="in_1"),
    "find_payment": FindPayment(metadata={"paykit_operation": "op_1"}, since=SINCE),
    "find_refund": FindRefund(payment="pi_1", metadata={"paykit_operation": "op_3"}),
    "search_payments": SearchPayments(metadata={"paykit_operation": "op_1"}),
    "list_balance_transactions": ListBalanceTransactions(source="ch_1"),
    "list_events": ListEvents(since=SINCE),
    "list_events_after": ListEvents(since=SINCE, position="evt_1"),
    "list_webhook_endpoints": ListWebhookEndpoints(),
}


def payment_intent(status: str = "succeeded", **changed: object) -> Json:
    taken = 1050 if status == "succeeded" else 0
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "status": status,
        "amount": 1050,
        "amount_capturable": 1050 if status == "requires_capture" else 0,
        "amount_received": taken,
        "currency": "usd",
        "client_secret": CLIENT_SECRET,
        "cancellation_reason": None,
        "next_action": None,
        "last_payment_error": None,
        "latest_charge": None,
        "metadata": {"paykit_operation": "op_1"},
        "created": CREATED,
        "livemode": False,
        **changed,
    }


def charge(status: str = "succeeded", **changed: object) -> Json:
    return {
        "id": "ch_1",
        "object": "charge",
        "payment_intent": "pi_1",
        "status": status,
        "amount": 1050,
        "amount_captured": 1050 if status == "succeeded" else 0,
        "amount_refunded": 0,
        "currency": "usd",
        "captured": status == "succeeded",
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "outcome": {"type": "authorized", "reason": None, "advice_code": None},
        "payment_method_details": {"type": "card", "card": {"capture_before": None}},
        **changed,
    }


def refund(status: str = "succeeded", **changed: object) -> Json:
    return {
        "id": "re_1",
        "object": "refund",
        "payment_intent": "pi_1",
        "charge": "ch_1",
        "status": status,
        "amount": 300,
        "currency": "usd",
        "reason": "requested_by_customer",
        "metadata": {"paykit_operation": "op_3"},
        "created": CREATED,
        **changed,
    }


def balance_transaction(**changed: object) -> Json:
    return {
        "id": "txn_1",
        "object": "balance_transaction",
        "source": "ch_1",
        "type": "charge",
        "reporting_category": "charge",
        "amount": 1050,
        "fee": 61,
        "net": 989,
        "currency": "usd",
        "created": CREATED,
        **changed,
    }


def payout(status: str = "paid", **changed: object) -> Json:
    return {
        "id": "po_1",
        "object": "payout",
        "status": status,
        "amount": 900,
        "currency": "usd",
        "automatic": True,
        "arrival_date": CREATED,
        "balance_transaction": "txn_1",
        "failure_balance_transaction": None,
        "failure_code": None,
        **changed,
    }


def subscription(status: str = "active", **changed: object) -> Json:
    item = {"object": "subscription_item", "current_period_end": CREATED + 100}
    return {
        "id": "sub_1",
        "object": "subscription",
        "status": status,
        "customer": "cus_1",
        "cancel_at_period_end": False,
        "cancel_at": None,
        "canceled_at": None,
        "ended_at": None,
        "items": listing(item),
        "latest_invoice": "in_1",
        "metadata": {"paykit_merchant": "default"},
        "created": CREATED,
        **changed,
    }


def invoice(status: str = "paid", **changed: object) -> Json:
    details = {"subscription": "sub_1", "metadata": {"paykit_merchant": "default"}}
    return {
        "id": "in_1",
        "object": "invoice",
        "status": status,
        "billing_reason": "subscription_cycle",
        "amount_paid": 900,
        "currency": "usd",
        "parent": {"type": "subscription_details", "subscription_details": details},
        "lines": listing(billed(900, 10, 40)),
        "status_transitions": {"paid_at": CREATED + 1},
        "metadata": {},
        "created": CREATED,
        **changed,
    }


def billed(amount: int, start: int, end: int) -> Json:
    """Return a line of an invoice, for a period in seconds after `CREATED`."""
    period = {"start": CREATED + start, "end": CREATED + end}
    return {"object": "line_item", "amount": amount, "period": period}


def listing(*things: Json, has_more: bool = False) -> Json:
    return {"object": "list", "data": list(things), "has_more": has_more, "url": "/v1"}


def error(kind: str = "invalid_request_error", **details: object) -> Json:
    return {"error": {"type": kind, **details}}


def event(kind: str, thing: Json | None = None, **changed: object) -> bytes:
    return json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "type": kind,
            "api_version": "2026-10-28.endive",
            "created": CREATED,
            "data": {"object": thing},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": "req_1", "idempotency_key": "key-1"},
            **changed,
        }
    ).encode()
