"""
The two servers that `http_receipt` compares: bare ASGI under uvicorn.

``python benchmarks/http_server.py paykit|raw URL ASYNC_URL SOCKET``: both verify, read
the envelope and store the row with the same statement and the same durability.
"""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import uvicorn
from sqlalchemy.ext.asyncio import create_async_engine

from paykit import AsyncPaymentService, AsyncWebhookReceiver
from paykit.testing.simulated import AsyncSimulatedPsp, SimulatedProvider

__all__ = ["main"]

Handle = Callable[[bytes, list[tuple[str, str]]], Awaitable[int]]

_INSERT = (
    "INSERT INTO paykit_inbox "
    "(id, binding, event_id, event_type, account, body, status, received_at) "
    "VALUES ({}) ON CONFLICT DO NOTHING RETURNING id"
)


def _app(handle: Handle) -> Callable[..., Awaitable[None]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        pairs = [
            (k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]
        ]
        status = await handle(body, pairs)
        head = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": b""})

    return app


def _paykit(async_url: str) -> Handle:
    service = AsyncPaymentService(
        create_async_engine(async_url, pool_size=8, max_overflow=0),
        psp=AsyncSimulatedPsp(SimulatedProvider()),
    )
    receiver = AsyncWebhookReceiver(service)

    async def handle(body: bytes, headers: list[tuple[str, str]]) -> int:
        return (await receiver.receive(body, headers)).status

    return handle


def _raw(url: str) -> Handle:
    psp = AsyncSimulatedPsp(SimulatedProvider())
    store = _store_on_postgresql(url) if "://" in url else _store_on_sqlite(url)

    async def handle(body: bytes, headers: list[tuple[str, str]]) -> int:
        now = datetime.now(UTC)
        psp.verify(body, {name.lower(): value for name, value in headers}, now)
        seen = psp.read_envelope(body)
        id_ = f"raw/{seen.event_id}/{uuid.uuid4()}"
        row = (id_, "raw", seen.event_id, seen.event_type, None, body, "received", now)
        await store(row)
        return 200

    return handle


def _store_on_sqlite(path: str) -> Callable[[tuple[Any, ...]], Awaitable[None]]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    insert = _INSERT.format(", ".join("?" * 8))

    async def store(row: tuple[Any, ...]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, (*row[:-1], row[-1].isoformat(" "))).fetchone()
        connection.execute("COMMIT")

    return store


def _store_on_postgresql(url: str) -> Callable[[tuple[Any, ...]], Awaitable[None]]:
    import psycopg

    free: asyncio.Queue[Any] = asyncio.Queue()
    opened = 0
    insert = _INSERT.format(", ".join(["%s"] * 8))

    async def store(row: tuple[Any, ...]) -> None:
        nonlocal opened
        if free.empty() and opened < 8:
            opened += 1
            free.put_nowait(await psycopg.AsyncConnection.connect(url))
        connection = await free.get()
        try:
            cursor = await connection.execute(insert, row)
            await cursor.fetchone()
            await connection.commit()
        finally:
            free.put_nowait(connection)

    return store


def main() -> None:
    """Serve on the socket that the parent has opened, until it is ended."""
    way, raw_url, async_url, descriptor = sys.argv[1:]
    handle = _paykit(async_url) if way == "paykit" else _raw(raw_url)
    config = uvicorn.Config(_app(handle), log_level="warning", lifespan="off")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main()
