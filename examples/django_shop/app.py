"""
A shop with Django: one file, with the settings that otherwise stand in settings.py.

Django's ORM and paykit have connections of their own, so order and payment cannot share
a transaction: the order is committed first, and the payment's idempotency key is made
from its id, so that a repeated request finds the same payment. The handler needs no
second connection: paykit gives it a session on the database where the orders are.

README.md in `examples` says how to run it, against a local Stripe or a real one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.http import require_GET, require_POST
from sqlalchemy import column, create_engine, table, update
from sqlalchemy.orm import Session

from paykit import (
    EventView,
    Money,
    PaykitError,
    PaymentService,
    WebhookReceiver,
    Worker,
    create_all,
)
from paykit.stripe import StripePsp

DATABASE = os.environ.get("SHOP_DATABASE", "django_shop.db")

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost", "testserver"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SHOP_SECRET_KEY", "only for a first look"),
    USE_TZ=True,
)
django.setup()

from django.db import connection, models  # noqa: E402  (needs the settings)

PRICES = {"book": 4200, "pen": 350}
"""What things cost, in cents: the server says so, not the browser."""


class Order(models.Model):
    """What somebody wants to buy; a cart becomes an order once."""

    cart = models.CharField(max_length=64, unique=True)
    amount = models.BigIntegerField()
    status = models.CharField(max_length=16, default="open")
    payment_id = models.CharField(max_length=64, unique=True, null=True)

    class Meta:
        """Where the table is; in a project, the app's migrations make it."""

        app_label = "shop"


orders = table("shop_order", column("status"), column("payment_id"))
"""The same table for SQLAlchemy, as far as the handler needs it."""


@cache
def service() -> PaymentService:
    """Return the shop's payments; also for ``paykit worker --factory``."""
    engine = create_engine(f"sqlite:///{DATABASE}")
    create_all(engine)  # for a first look; in a deploy: paykit migrate
    psp = StripePsp(
        os.environ["STRIPE_SECRET_KEY"],
        webhook_secrets=[os.environ["STRIPE_WEBHOOK_SECRET"]],
        base_url=os.environ.get("STRIPE_BASE_URL"),  # only for a local Stripe
    )
    shop = PaymentService(engine, psp=psp)

    @shop.on("payment.succeeded")
    def mark_paid(event: EventView, session: Session) -> None:
        # Commits with the mark that the event is delivered: it happens once.
        mine = orders.c.payment_id == event.payment_id
        session.execute(update(orders).where(mine).values(status="paid"))

    return shop


def answers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a view answer paykit's errors with the status that each one suggests."""

    @wraps(view)
    def answering(request: HttpRequest, **arguments: Any) -> HttpResponse:
        try:
            return view(request, **arguments)
        except PaykitError as error:
            name = type(error).__name__
            return JsonResponse({"error": name}, status=error.http_status)

    return answering


@require_POST
@answers
def place_order(request: HttpRequest) -> HttpResponse:
    """Make an order and its payment."""
    wanted = json.loads(request.body)
    order, _ = Order.objects.get_or_create(
        cart=wanted["cart"], defaults={"amount": PRICES[wanted["item"]]}
    )
    # The order is committed here. With ATOMIC_REQUESTS it would not be: then decorate
    # this view with `transaction.non_atomic_requests`.
    payment = service().create_payment(
        amount=Money(order.amount, "eur"),
        reference=f"order-{order.pk}",
        idempotency_key=f"order-{order.pk}-create",
    )
    Order.objects.filter(pk=order.pk).update(payment_id=payment.id)
    secret = payment.client_secret and payment.client_secret.get_secret_value()
    return JsonResponse({"order": order.pk, "client_secret": secret}, status=201)


@require_POST
@answers
def confirm(request: HttpRequest, order_id: int) -> HttpResponse:
    """Attempt the charge; one key for one click on "pay"."""
    payment = service().confirm_payment(
        get_object_or_404(Order, pk=order_id).payment_id,
        payment_method=json.loads(request.body)["payment_method"],
        idempotency_key=f"order-{order_id}-{request.headers['Idempotency-Key']}",
    )
    why = payment.decline.code if payment.decline else None
    return JsonResponse({"payment": payment.state, "declined": why})


@require_GET
def show(request: HttpRequest, order_id: int) -> HttpResponse:
    """Show an order."""
    order = get_object_or_404(Order, pk=order_id)
    return JsonResponse({"order": order.pk, "status": order.status})


@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Store a webhook: its raw bytes, for the signature is over them."""
    answer = WebhookReceiver(service()).receive(request.body, request.headers)
    return HttpResponse(answer.reason, status=answer.status)


urlpatterns = [
    path("orders", place_order),
    path("orders/<int:order_id>/confirm", confirm),
    path("orders/<int:order_id>", show),
    path("webhooks", webhook),
]


def create_order_table() -> None:
    """Make the table of orders if it is missing; a project has migrations for it."""
    if "shop_order" not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Order)


if __name__ == "__main__":
    from django.core.management import call_command

    create_order_table()
    stop = threading.Event()
    threading.Thread(target=Worker(service()).run, args=[stop], daemon=True).start()
    call_command("runserver", "5000", use_reloader=False)
