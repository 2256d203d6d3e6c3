"""The host of the storm: its own tables, its handler, and its way to make a service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    insert,
)
from sqlalchemy.orm import Session
from tenacity import wait_fixed

from paykit import EventView, PaymentService, Policy
from paykit.clock import SYSTEM, World
from paykit.stripe import StripePsp

__all__ = [
    "KEY",
    "SECRET",
    "connect",
    "heard",
    "make_tables",
    "note",
    "open_psp",
    "open_service",
    "order",
    "told",
]

KEY: Final = "sk_test_default"
SECRET: Final = "whsec_storm"

_tables = MetaData()

order = Table(
    "storm_order",
    _tables,
    Column("number", Integer, primary_key=True, autoincrement=False),
)
"""The orders that were brought to their end, whatever the end was."""

told = Table(
    "storm_told",
    _tables,
    Column("number", Integer, nullable=False),
    Column("key", String(64), nullable=False),
    Column("answer", Text, nullable=False),
)
"""What callers were told, one row for each answer; one key has one answer."""

heard = Table(
    "storm_heard",
    _tables,
    Column("position", Integer, primary_key=True),
    Column("payment_id", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),
)
"""What the handler wrote through its session; nothing here stops it from doing so
twice, or in another order."""

_POLICY: Final = Policy(
    sends=3,
    backoff=lambda: wait_fixed(0.05),
    lease=timedelta(seconds=4),
    schedule=(timedelta(seconds=1),) * 200,
)
"""Impatient, so that one storm meets many leases of the dead and many later looks."""


def connect(database: str) -> Engine:
    """Return an engine as a host has it, with nothing prepared for restarts."""
    return create_engine(database, connect_args={"connect_timeout": 10})


def make_tables(engine: Engine) -> None:
    """Make the host's own tables."""
    _tables.create_all(engine)


def open_psp(url: str) -> StripePsp:
    """Return the real adapter, on the local Stripe; close it in the end."""
    return StripePsp(KEY, webhook_secrets=[SECRET], base_url=url)


def open_service(
    psp: StripePsp, engine: Engine, world: World = SYSTEM
) -> PaymentService:
    """Return the service as every process of the host has it."""
    service = PaymentService(
        engine, psp=psp, policy=_POLICY, world=world, installation="storm"
    )
    service.on("*")(note)
    return service


def note(event: EventView, session: Session) -> None:
    """Handle an event: what is written here commits with its delivery, once."""
    row: dict[str, Any] = {"payment_id": event.payment_id, "sequence": event.sequence}
    session.execute(insert(heard), row)
