"""
The host's processes, to be killed: callers, workers and the webhook endpoint.

``python -m tests.storm.child`` is the helper: it imports everything once and forks a
process for each one that it is told to start, so that starting one takes milliseconds.
It has no threads and no connections, and it alone waits for what it has started: while
it knows of a process, nobody else has that number.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from time import sleep
from typing import Any, Final, NoReturn

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from paykit import PaymentService, WebhookReceiver, Worker
from paykit.stripe import StripePsp
from tests.storm.host import connect, open_psp, open_service, order
from tests.storm.orders import Buyer

__all__ = ["Job"]

_LIFETIME_SECONDS: Final = 900
"""A process that everybody has forgotten ends by itself."""

_IDLE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process is, and where."""

    role: str
    """``caller``, ``worker`` or ``endpoint``."""
    database: str
    psp: str
    seed: int
    number: int
    """Which of the processes of its role it is."""
    of: int
    """How many there are."""
    orders: int
    port: int
    """Where the endpoint listens."""

    def service(self, engine: Engine) -> PaymentService:
        return open_service(open_psp(self.psp), engine)


_THREADS: Final = 4
"""How many orders one caller's process brings on at once."""


def _call(job: Job) -> None:
    """Bring every order of this process to its end, except those that are."""
    engine = connect(job.database)
    service = job.service(engine)
    done = _done(engine)
    mine = [n for n in range(job.number, job.orders, job.of) if n not in done]
    with ThreadPoolExecutor(_THREADS) as pool:
        buyers = [Buyer(service, engine, job.psp, job.seed, number) for number in mine]
        for finished in [pool.submit(buyer.live) for buyer in buyers]:
            finished.result()


def _done(engine: Engine) -> set[int]:
    """Return the orders that need nothing more, as soon as the database tells."""
    while True:
        try:
            with engine.connect() as connection:
                return set(connection.scalars(select(order.c.number)))
        except SQLAlchemyError:
            sleep(_IDLE_SECONDS)


def _work(job: Job) -> None:
    service = job.service(connect(job.database))
    Worker(service).run(Event(), idle_seconds=_IDLE_SECONDS)


def _listen(job: Job) -> None:
    """Receive webhooks: a few lines in any framework."""
    receiver = WebhookReceiver(job.service(connect(job.database)))

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(receiver.receive(body, self.headers.items()).status)
            self.send_header("content-length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", job.port), Endpoint).serve_forever()


_ROLES: Final[Mapping[str, Callable[[Job], None]]] = {
    "caller": _call,
    "worker": _work,
    "endpoint": _listen,
}


def _forked(job: Job) -> NoReturn:
    """Be the process of `job`; never returns into the helper's code."""
    signal.alarm(_LIFETIME_SECONDS)
    os.dup2(2, 1)  # the helper's standard output is for its own reports
    status = 1
    try:
        _ROLES[job.role](job)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _start(given: dict[str, Any]) -> int:
    pid = os.fork()
    if not pid:
        _forked(Job(**given))
    return pid


def _end(pid: int) -> int:
    """Kill a process; return how it ended, which may be by itself before."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    """Start and kill as told, one line of JSON at a time; kill all at the end."""
    create_engine("postgresql+psycopg://").dispose()  # loads the driver
    StripePsp("sk_test_storm").close()
    living: set[int] = set()
    _say(os.getpid())
    for line in sys.stdin:
        told = json.loads(line)
        if "start" in told:
            living.add(pid := _start(told["start"]))
            _say(pid)
        elif told["kill"] in living:
            living.discard(told["kill"])
            _say(_end(told["kill"]))
    for pid in living:
        _end(pid)


if __name__ == "__main__":
    main()
