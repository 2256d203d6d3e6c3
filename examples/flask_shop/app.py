"""
A shop with Flask: order and payment commit together, a handler marks the order paid.

README.md in `examples` says how to run it, against a local Stripe or a real one.
"""

from __future__ import annotations

import os
import threading

from flask import Flask, Response, abort, request
from sqlalchemy import Engine, create_engine, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from paykit import (
    CreatePayment,
    EventView,
    PaykitError,
    PaymentService,
    PaymentView,
    WebhookReceiver,
    Worker,
    create_all,
)
from paykit.psp import Psp
from paykit.stripe import StripePsp

PRICES = {"book": 4200, "pen": 350}
"""What things cost, in cents: the server says so, not the browser."""


class Base(DeclarativeBase):
    """The shop's own tables, in the database that paykit uses too."""


class Order(Base):
    """What somebody wants to buy; a cart becomes an order once."""

    __tablename__ = "shop_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    cart: Mapped[str] = mapped_column(unique=True)
    amount: Mapped[int]
    status: Mapped[str] = mapped_column(default="open")
    payment_id: Mapped[str | None] = mapped_column(unique=True)


def make_service(engine: Engine, psp: Psp) -> PaymentService:
    """Return the shop's payments, with the handler that a worker calls."""
    service = PaymentService(engine, psp=psp)

    @service.on("payment.succeeded")
    def mark_paid(event: EventView, session: Session) -> None:
        # Commits with the mark that the event is delivered: it happens once.
        mine = Order.payment_id == event.payment_id
        session.execute(update(Order).where(mine).values(status="paid"))

    return service


def create_app(engine: Engine, service: PaymentService) -> Flask:
    """Return the web application."""
    app, receiver = Flask("shop"), WebhookReceiver(service)

    @app.post("/orders")
    def place_order() -> tuple[dict[str, object], int]:
        cart, amount = request.json["cart"], PRICES[request.json["item"]]
        with Session(engine) as session, session.begin():
            order = session.scalar(select(Order).where(Order.cart == cart))
            if order is None:
                order = Order(cart=cart, amount=amount)
                session.add(order)
                session.flush()
            name = f"order-{order.id}"
            begun = service.begin(
                CreatePayment(amount=order.amount, currency="eur", reference=name),
                session=session,
                idempotency_key=f"{name}-create",
            )
            order.payment_id = begun.payment_id
            order_id = order.id
        # Here order and payment are committed; now Stripe is asked.
        payment = service.finish(begun)
        assert isinstance(payment, PaymentView)
        secret = payment.client_secret
        return {
            "order": order_id,
            "client_secret": secret and secret.get_secret_value(),
        }, 201

    @app.post("/orders/<int:order_id>/confirm")
    def confirm(order_id: int) -> dict[str, object]:
        with Session(engine) as session:
            order = session.get(Order, order_id) or abort(404)
        payment = service.confirm_payment(
            order.payment_id or "",
            payment_method=request.json["payment_method"],
            # One key for one click on "pay": a repeated request charges nobody twice.
            idempotency_key=f"order-{order_id}-{request.headers['Idempotency-Key']}",
        )
        why = payment.decline.code if payment.decline else None
        return {"payment": payment.state, "declined": why}

    @app.get("/orders/<int:order_id>")
    def show(order_id: int) -> dict[str, object]:
        with Session(engine) as session:
            order = session.get(Order, order_id) or abort(404)
        return {"order": order.id, "status": order.status}

    @app.post("/webhooks")
    def webhook() -> Response:
        # The raw bytes: the signature is over them, not over the JSON.
        answer = receiver.receive(request.get_data(), request.headers.items())
        return Response(answer.reason, answer.status)

    @app.errorhandler(PaykitError)
    def failed(error: PaykitError) -> tuple[dict[str, object], int]:
        return {"error": type(error).__name__}, error.http_status

    return app


def create_tables(engine: Engine) -> None:
    """Make the shop's tables and paykit's; in a deploy: ``paykit migrate``."""
    create_all(engine)
    Base.metadata.create_all(engine)


def open_shop() -> tuple[Engine, PaymentService]:
    """Make database and service as the environment says; for the worker as well."""
    engine = create_engine(
        os.environ.get("SHOP_DATABASE_URL", "sqlite:///flask_shop.db")
    )
    create_tables(engine)
    psp = StripePsp(
        os.environ["STRIPE_SECRET_KEY"],
        webhook_secrets=[os.environ["STRIPE_WEBHOOK_SECRET"]],
        base_url=os.environ.get("STRIPE_BASE_URL"),  # only for a local Stripe
    )
    return engine, make_service(engine, psp)


def worker_service() -> PaymentService:
    """For ``paykit worker --factory examples.flask_shop.app:worker_service``."""
    return open_shop()[1]


if __name__ == "__main__":
    shop_engine, shop_service = open_shop()
    stop = threading.Event()
    threading.Thread(target=Worker(shop_service).run, args=[stop], daemon=True).start()
    create_app(shop_engine, shop_service).run(port=5000)
