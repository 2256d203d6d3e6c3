"""
How fast the local Stripe answers, and what that costs.

``python benchmarks/stripe_server.py`` starts the server as a process, lets 32 clients
pay at once, each payment with a key of its own and every fourth one sent twice, prints
requests per second, the ratio to a server that answers a constant, and the server's CPU
time per request, and checks that every key acted once and was repeated truly.

The clients are one process that only moves bytes over sockets that stay open, so that
what is measured is the server; both share the machine's cores.
"""

from __future__ import annotations

import argparse
import json
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

__all__ = ["main"]

_BODY: Final = (
    b"amount=1000&currency=usd&confirm=true&payment_method=pm_card_visa"
    b"&automatic_payment_methods[enabled]=true"
    b"&automatic_payment_methods[allow_redirects]=never"
)
_BARE: Final = """
import socket, sys, threading
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2500\\r\\n\\r\\n" + b"x" * 2500
def serve(connection):
    while connection.recv(65536):
        connection.sendall(answer)
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
"""


@dataclass(slots=True)
class _Client:
    """One connection, and what was answered on it."""

    socket: socket.socket
    number: int
    sent: int = 0
    pending: bytes = b""
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    def ask(self) -> None:
        """Send the next payment; every fourth one again with the key before."""
        self.socket.sendall(_request(self.key()))
        self.sent += 1

    def key(self) -> str:
        number = self.sent - 1 if self.sent % 4 == 3 else self.sent
        return f"client-{self.number}-{number}"

    def hear(self) -> bool:
        """Take in what has come; return whether an answer is complete."""
        self.pending += self.socket.recv(65536)
        head, found, body = self.pending.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return False
        self.answers.append((int(head[9:12]), body))
        self.pending = b""
        return True


def _request(key: str) -> bytes:
    head = (
        "POST /v1/payment_intents HTTP/1.1\r\nHost: local\r\n"
        "Authorization: Bearer sk_test_benchmark\r\nUser-Agent: Stripe/v1 Bench/1\r\n"
        "Accept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Stripe-Version: 2026-10-28.endive\r\n"
        f"Idempotency-Key: {key}\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    )
    return head.encode() + _BODY


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without a length")


def _drive(url: str, clients: int, each: int) -> tuple[float, list[_Client]]:
    """Let every client ask `each` times; return the seconds that took, and them."""
    address = urlsplit(url)
    found = [
        _Client(socket.create_connection((address.hostname, address.port)), number)
        for number in range(clients)
    ]
    open_ones = selectors.DefaultSelector()
    begun = time.perf_counter()
    for client in found:
        open_ones.register(client.socket, selectors.EVENT_READ, client)
        client.ask()
    while open_ones.get_map():
        for event, _ in open_ones.select():
            client = event.data
            if client.hear():
                if client.sent < each:
                    client.ask()
                else:
                    open_ones.unregister(client.socket)
    seconds = time.perf_counter() - begun
    for client in found:
        client.socket.close()
    return seconds, found


@contextmanager
def _process(*command: str) -> Iterator[str]:
    """Run a server and yield the URL that it prints."""
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)


def _cpu() -> float:
    """Return the CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _measure(
    clients: int, each: int, *command: str
) -> tuple[float, float, list[_Client]]:
    """Return requests per second, the server's CPU ms per request, and the clients."""
    with _process(*command) as url:
        _drive(url, 1, 1)  # what is done once is not what is measured
    idle = _cpu()
    with _process(*command) as url:
        _drive(url, 1, 1)
    start = _cpu() - idle
    before = _cpu()
    with _process(*command) as url:
        seconds, found = _drive(url, clients, each)
    requests = clients * each
    cpu = (_cpu() - before - start) / requests * 1000
    return requests / seconds, cpu, found


def _wrong(found: list[_Client]) -> list[str]:
    """Return what is wrong with the answers: one payment for each key, no other."""
    wrong: list[str] = []
    seen: dict[str, object] = {}
    for client in found:
        client.sent = 0
        for status, body in client.answers:
            key = client.key()
            client.sent += 1
            made = json.loads(body).get("id")
            if status != 200 or seen.setdefault(key, made) != made:
                wrong.append(f"{key}: {status} {made}, before {seen.get(key)}")
    if len(set(seen.values())) != len(seen):
        wrong.append("two keys have one payment")
    return wrong


def main() -> int:
    """Measure and check; 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--each", type=int, default=100, help="requests of one client")
    args = parser.parse_args()
    bare, bare_cpu, _ = _measure(args.clients, args.each, "-c", _BARE)
    print(f"{'':24}{'per s':>8}{'ratio':>8}{'CPU ms':>8}  wrong")
    print(f"{'a constant':24}{bare:8.0f}{1:8.2f}{bare_cpu:8.2f}")
    server = ["-m", "paykit.testing.stripe_server"]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, options in _KINDS.items():
            options = [option.format(folder=folder) for option in options]
            rate, cpu, found = _measure(args.clients, args.each, *server, *options)
            wrong = _wrong(found)
            failed = failed or bool(wrong)
            row = f"{rate:8.0f}{rate / bare:8.2f}{cpu:8.2f}"
            print(f"{name:24}{row}  {len(wrong)}")
            print("".join(f"  {line}\n" for line in wrong[:5]), end="")
    return 1 if failed else 0


_KINDS: Final = {
    "in memory": [],
    "with --state": ["--state", "{folder}/stripe.state"],
}

if __name__ == "__main__":
    sys.exit(main())
