"""Webhook receipt over HTTP: eight clients that keep their connections."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from databases import Database
from measuring import Cost, Result, compared

from paykit.testing.simulated import SimulatedProvider

__all__ = ["measure"]

_CLIENTS = 8
_SERVER = Path(__file__).with_name("http_server.py")

Webhook = tuple[bytes, dict[str, str]]


def _webhooks(items: int) -> list[Webhook]:
    sim = SimulatedProvider()
    for _ in range(items + _CLIENTS):
        sim.call("create_payment", amount=1000, currency="eur")
    return sim.pending_webhooks()[: items + _CLIENTS]


@contextmanager
def _serving(database: Database, way: str) -> Iterator[tuple[int, int]]:
    """Start a server; its process id and its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    os.set_inheritable(listener.fileno(), True)
    urls = (database.raw_url, database.async_url)
    process = subprocess.Popen(
        [sys.executable, str(_SERVER), way, *urls, str(listener.fileno())],
        pass_fds=[listener.fileno()],
    )
    try:
        yield process.pid, listener.getsockname()[1]
    finally:
        process.terminate()
        process.wait()
        listener.close()


def _send(port: int, webhooks: Sequence[Webhook]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    for body, headers in webhooks:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise AssertionError(f"answered with {answer.status}")
    connection.close()


def _cpu_of(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _run(opened: Any, way: str, webhooks: list[Webhook]) -> Cost:
    with opened() as database, _serving(database, way) as (pid, port):
        warm, rest = webhooks[:_CLIENTS], webhooks[_CLIENTS:]
        with ThreadPoolExecutor(_CLIENTS) as pool:
            list(pool.map(lambda one: _send(port, [one]), warm))
            server, cpu, wall = (
                database.server_cpu(),
                _cpu_of(pid),
                time.perf_counter(),
            )
            shares = [rest[n::_CLIENTS] for n in range(_CLIENTS)]
            list(pool.map(lambda share: _send(port, share), shares))
            wall = time.perf_counter() - wall
            return Cost(wall, _cpu_of(pid) - cpu, database.server_cpu() - server)


def measure(kind: str, opened: Any, items: int, rounds: int) -> Result:
    """Measure our receiver beside raw ASGI and the raw driver, taking turns."""
    webhooks = _webhooks(items)
    ours, raw = [], []
    for _ in range(rounds):
        ours.append(_run(opened, "paykit", webhooks))
        raw.append(_run(opened, "raw", webhooks))
    return compared("http-receipt", kind, items, (ours, raw), None)
