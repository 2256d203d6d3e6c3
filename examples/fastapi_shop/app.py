"""
A shop with FastAPI: order and payment commit together, a handler marks the order paid.

README.md in `examples` says how to run it, against a local Stripe or a real one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import create_engine, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from paykit import (
    AsyncPaymentService,
    AsyncWebhookReceiver,
    AsyncWorker,
    CreatePayment,
    EventView,
    PaykitError,
    PaymentView,
    create_all,
)
from paykit.psp import AsyncPsp
from paykit.stripe import AsyncStripePsp

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


class NewOrder(BaseModel):
    """What the browser sends to place an order."""

    cart: str
    item: str


class Confirmation(BaseModel):
    """What the browser sends to pay."""

    payment_method: str


def make_service(engine: AsyncEngine, psp: AsyncPsp) -> AsyncPaymentService:
    """Return the shop's payments, with the handler that a worker calls."""
    service = AsyncPaymentService(engine, psp=psp)

    @service.on("payment.succeeded")
    async def mark_paid(event: EventView, session: AsyncSession) -> None:
        # Commits with the mark that the event is delivered: it happens once.
        mine = Order.payment_id == event.payment_id
        await session.execute(update(Order).where(mine).values(status="paid"))

    return service


def create_tables(url: str) -> None:
    """Make the shop's tables and paykit's; in a deploy: ``paykit migrate``."""
    engine = create_engine(url.replace("+aiosqlite", ""))
    create_all(engine)
    Base.metadata.create_all(engine)
    engine.dispose()


def create_app(engine: AsyncEngine, service: AsyncPaymentService) -> FastAPI:
    """Return the web application; the worker runs in its event loop."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        stop = asyncio.Event()
        working = asyncio.create_task(AsyncWorker(service).run(stop))
        yield
        stop.set()
        await working

    app, receiver = FastAPI(lifespan=lifespan), AsyncWebhookReceiver(service)

    @app.post("/orders", status_code=201)
    async def place_order(wanted: NewOrder) -> dict[str, object]:
        async with AsyncSession(engine) as session, session.begin():
            order = await session.scalar(select(Order).where(Order.cart == wanted.cart))
            if order is None:
                order = Order(cart=wanted.cart, amount=PRICES[wanted.item])
                session.add(order)
                await session.flush()
            name, order_id = f"order-{order.id}", order.id
            begun = await service.begin(
                CreatePayment(amount=order.amount, currency="eur", reference=name),
                session=session,
                idempotency_key=f"{name}-create",
            )
            order.payment_id = begun.payment_id
        # Here order and payment are committed; now Stripe is asked.
        payment = await service.finish(begun)
        assert isinstance(payment, PaymentView)
        secret = payment.client_secret
        return {
            "order": order_id,
            "client_secret": secret and secret.get_secret_value(),
        }

    @app.post("/orders/{order_id}/confirm")
    async def confirm(
        order_id: int, how: Confirmation, idempotency_key: Annotated[str, Header()]
    ) -> dict[str, object]:
        payment = await service.confirm_payment(
            (await find(order_id)).payment_id or "",
            payment_method=how.payment_method,
            # One key for one click on "pay": a repeated request charges nobody twice.
            idempotency_key=f"order-{order_id}-{idempotency_key}",
        )
        why = payment.decline.code if payment.decline else None
        return {"payment": payment.state, "declined": why}

    @app.get("/orders/{order_id}")
    async def show(order_id: int) -> dict[str, object]:
        return {"order": order_id, "status": (await find(order_id)).status}

    @app.post("/webhooks")
    async def webhook(request: Request) -> Response:
        # The raw bytes: the signature is over them, not over the JSON.
        answer = await receiver.receive(await request.body(), request.headers.items())
        return Response(answer.reason, answer.status)

    @app.exception_handler(PaykitError)
    async def failed(request: Request, error: PaykitError) -> JSONResponse:
        return JSONResponse({"error": type(error).__name__}, error.http_status)

    async def find(order_id: int) -> Order:
        async with AsyncSession(engine) as session:
            order = await session.get(Order, order_id)
        if order is None:
            raise HTTPException(404)
        return order

    return app


def main() -> FastAPI:
    """Make the shop as the environment says: ``uvicorn --factory``."""
    url = os.environ.get("SHOP_DATABASE_URL", "sqlite+aiosqlite:///fastapi_shop.db")
    create_tables(url)
    psp = AsyncStripePsp(
        os.environ["STRIPE_SECRET_KEY"],
        webhook_secrets=[os.environ["STRIPE_WEBHOOK_SECRET"]],
        base_url=os.environ.get("STRIPE_BASE_URL"),  # only for a local Stripe
    )
    engine = create_async_engine(url)
    return create_app(engine, make_service(engine, psp))


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(main(), port=5000)
