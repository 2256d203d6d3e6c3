"""Setting the stage of the demo: a Stripe, a database, a webhook endpoint."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import httpx
from sqlalchemy import Engine, create_engine
from tenacity import wait_fixed
from typing_extensions import override

from paykit import (
    PaymentService,
    Policy,
    WebhookReceiver,
    Worker,
    create_all,
)
from paykit.clock import SYSTEM
from paykit.stripe import StripePsp
from paykit.testing.demo.accidents import DiesAfterAnswer, LosesAnswer
from paykit.testing.demo.shop import Demo, Timeline
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer

__all__ = ["child", "stage"]

_SECRET: Final = "whsec_demo"
_LOCAL_KEY: Final = "sk_test_paykit_demo"


def _database(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
    create_all(engine)
    return engine


def _policy() -> Policy:
    return Policy(backoff=lambda: wait_fixed(0.3))


@contextmanager
def _webhooks(receiver: Callable[[], WebhookReceiver]) -> Iterator[str]:
    """The shop's webhook endpoint: a few lines in any framework."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(receiver().receive(body, self.headers.items()).status)
            self.send_header("content-length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Keep the timeline readable."""

    host = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    Thread(target=host.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{host.server_port}/webhooks"
    finally:
        host.shutdown()
        host.server_close()


def _demo(path: Path, timeline: Timeline, key: str, base_url: str | None) -> Demo:
    network = LosesAnswer()
    http = httpx.Client(transport=network, timeout=20)
    psp = StripePsp(key, webhook_secrets=[_SECRET], base_url=base_url, http_client=http)
    database = _database(path)
    service = PaymentService(database, psp=psp, policy=_policy(), installation="demo")
    return Demo(
        database=database,
        path=path,
        service=service,
        network=network,
        timeline=timeline,
        run=SYSTEM.new_uuid().hex[-12:],
        key=key,
        base_url=base_url,
        sim=None,
    )


@contextmanager
def _worker(demo: Demo) -> Iterator[None]:
    """The shop's worker, in a thread of its own."""
    stop = Event()
    worker = Worker(demo.service)
    thread = Thread(target=worker.run, args=(stop,), kwargs={"idle_seconds": 0.1})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def stage(folder: Path, timeline: Timeline) -> Iterator[Demo]:
    """Set the stage: Stripe's test mode if there is a key for it, or our own Stripe."""
    path = folder / "paykit-demo.db"
    key = os.environ.get("STRIPE_SECRET_KEY", "")
    if key:
        if not key.startswith(("sk_test_", "rk_test_")):
            raise SystemExit(
                "STRIPE_SECRET_KEY is no test key: the demo moves no money"
            )
        timeline.tell("Stripe's test mode, at api.stripe.com")
        demo = _demo(path, timeline, key, None)
        with _worker(demo):
            yield demo
        return
    made: list[Demo] = []
    sim = SimulatedProvider()
    with _webhooks(lambda: WebhookReceiver(made[0].service)) as hook:
        server = StripeServer(sim, webhook_url=hook, webhook_secret=_SECRET)
        with server:
            timeline.tell(f"a local Stripe listens on {server.url}")
            demo = _demo(path, timeline, _LOCAL_KEY, server.url)
            demo.sim, demo.server = sim, server
            made.append(demo)
            with _worker(demo):
                yield demo


def child() -> None:
    """The process that is killed: it confirms, and dies before it can record."""
    given: Mapping[str, Any] = json.load(sys.stdin)
    psp = DiesAfterAnswer(os.environ["STRIPE_SECRET_KEY"], base_url=given["base_url"])
    engine = create_engine(f"sqlite:///{given['path']}", connect_args={"timeout": 30})
    # The lease of the dead is short here, so that nobody has to wait for it.
    policy = Policy(lease=timedelta(seconds=1))
    service = PaymentService(engine, psp=psp, policy=policy, installation="demo")
    service.confirm_payment(
        given["payment"],
        idempotency_key=given["idempotency_key"],
        payment_method="pm_card_visa",
    )
