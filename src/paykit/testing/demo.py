"""
``paykit demo``: the main job, for a person to watch and a machine to check.

Real calls of the Stripe SDK over real HTTP, on a SQLite file, with a worker: payments
that succeed, are declined, challenged, captured in part and refunded; and two
accidents, a read timeout after the charge went through and a process that is killed
between charge and commit, both healed. It ends with an error if the books do not
balance, or if anybody was charged twice.

Without keys it brings its own Stripe. With ``STRIPE_SECRET_KEY=sk_test_...`` it runs
against Stripe's test mode, where nobody can answer the 3-D Secure challenge, and where
events are read and not received.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any, Final

import httpx
from sqlalchemy import Engine, create_engine
from tenacity import wait_fixed
from typing_extensions import override

from paykit import (
    Money,
    OutcomeUnknown,
    PaymentService,
    PaymentState,
    PaymentView,
    Policy,
    WebhookReceiver,
    Worker,
    create_all,
)
from paykit.clock import SYSTEM
from paykit.psp import Answer, Call
from paykit.store import ledger
from paykit.store.balances import AccountBalance
from paykit.stripe import StripePsp
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer

__all__ = ["main"]

_SECRET: Final = "whsec_demo"
_LOCAL_KEY: Final = "sk_test_paykit_demo"
_EUR: Final = "eur"


class LosesAnswer(httpx.BaseTransport):
    """A network that delivers the next confirmation and loses the answer, once."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.armed = False

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; raise `httpx.ReadTimeout` in place of the answer."""
        response = self._inner.handle_request(request)
        if self.armed and request.url.path.endswith("/confirm"):
            self.armed = False
            response.read()
            raise httpx.ReadTimeout("the answer got lost on its way", request=request)
        return response


class DiesAfterAnswer(StripePsp):
    """A Stripe adapter whose process is killed as soon as Stripe has charged."""

    @override
    def send(self, call: Call, /) -> Answer:
        """Send; then die by SIGKILL, before anything can be recorded."""
        answer = super().send(call)
        if call.verb == "confirm_payment":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


@dataclass(slots=True)
class Timeline:
    """What happened, for a person as it happens and for a machine at the end."""

    quiet: bool
    started: float = field(default_factory=monotonic)
    steps: list[dict[str, object]] = field(default_factory=list)

    def act(self, title: str) -> None:
        """Begin a new part of the story."""
        self._write(f"\n  {title}")

    def tell(self, text: str, **facts: object) -> None:
        """Tell one step."""
        after = monotonic() - self.started
        self.steps.append({"seconds": round(after, 3), "text": text, **facts})
        self._write(f"  {after:6.2f}s  {text}")

    def note(self, text: str) -> None:
        """Print a line that is no step of its own."""
        self._write(text)

    def _write(self, text: str) -> None:
        if not self.quiet:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


@dataclass(slots=True)
class Demo:
    """The stage: a shop with its database, and a Stripe."""

    database: Engine
    path: Path
    service: PaymentService
    worker: Worker
    network: LosesAnswer
    timeline: Timeline
    run: str
    """Makes the idempotency keys of this run new, also at a Stripe that remembers."""
    key: str
    base_url: str | None
    sim: SimulatedProvider | None
    server: StripeServer | None = None

    def pay(self, name: str, minor: int, **more: Any) -> PaymentView:
        """Create a payment and tell of it."""
        payment = self.service.create_payment(
            amount=Money(minor, _EUR),
            idempotency_key=f"{self.run}-{name}",
            reference=f"{self.run}-order-{name}",
            **more,
        )
        self.timeline.tell(f"create  {Money(minor, _EUR)} -> {payment.state}")
        return payment

    def confirm(self, payment: PaymentView, name: str, method: str) -> PaymentView:
        """Confirm a payment and tell of it."""
        payment = self.service.confirm_payment(
            payment.id,
            idempotency_key=f"{self.run}-{name}-confirm",
            payment_method=method,
        )
        why = f" ({payment.decline.decline_code})" if payment.decline else ""
        self.timeline.tell(f"confirm {method} -> {payment.state}{why}")
        return payment

    def settle(self) -> None:
        """Let the webhooks arrive and the worker do what is due."""
        for _ in range(40):
            if self.server is not None:
                self.server.deliver_webhooks()
            if not self.worker.run_once().total and not self._pending():
                return
            sleep(0.05)

    def _pending(self) -> bool:
        pending = self.service.health().pending
        return self.server is not None and bool(pending["inbox"])


# -- acts ------------------------------------------------------------------------------


def automatic(demo: Demo) -> list[PaymentView]:
    """An everyday payment, with a partial refund."""
    demo.timeline.act("1. A payment, and a partial refund")
    payment = demo.confirm(demo.pay("one", 4200), "one", "pm_card_visa")
    refund = demo.service.refund_payment(
        payment.id,
        amount=Money(1200, _EUR),
        idempotency_key=f"{demo.run}-one-refund",
    )
    demo.timeline.tell(f"refund  {Money(1200, _EUR)} -> {refund.state}")
    again = demo.service.refund_payment(
        payment.id,
        amount=Money(1200, _EUR),
        idempotency_key=f"{demo.run}-one-refund",
    )
    same = "the same refund" if again.id == refund.id else "ANOTHER REFUND"
    demo.timeline.tell(f"refund  with the same key again -> {same}")
    return [payment]


def captured_in_part(demo: Demo) -> list[PaymentView]:
    """An authorization of which a part is captured."""
    demo.timeline.act("2. An authorization, captured in part")
    payment = demo.pay("two", 9900, capture="manual")
    payment = demo.confirm(payment, "two", "pm_card_visa")
    payment = demo.service.capture_payment(
        payment.id,
        amount=Money(7500, _EUR),
        idempotency_key=f"{demo.run}-two-capture",
    )
    demo.timeline.tell(f"capture {Money(7500, _EUR)} -> {payment.state}")
    return [payment]


def declined(demo: Demo) -> list[PaymentView]:
    """A decline is an answer, and the payment can go on with another card."""
    demo.timeline.act("3. A decline, then another card")
    payment = demo.pay("three", 1500)
    method = "pm_card_visa_chargeDeclinedInsufficientFunds"
    payment = demo.confirm(payment, "three", method)
    payment = demo.confirm(payment, "three-again", "pm_card_visa")
    return [payment]


def challenged(demo: Demo) -> list[PaymentView]:
    """The issuer wants to see the payer first."""
    demo.timeline.act("4. A 3-D Secure challenge")
    payment = demo.pay("four", 8800)
    payment = demo.confirm(payment, "four", "pm_card_threeDSecure2Required")
    if demo.sim is None:
        view = demo.service.cancel_payment(
            payment.id, idempotency_key=f"{demo.run}-four-cancel", reason="abandoned"
        )
        demo.timeline.tell(f"nobody can answer here, so cancel -> {view.state}")
        return [payment]
    demo.sim.complete_authentication(str(payment.psp_reference))
    demo.timeline.tell("the payer passes the challenge at the bank")
    demo.settle()
    view = demo.service.get_payment(payment.id)
    demo.timeline.tell(f"a webhook told the worker -> {view.state}")
    return [payment]


def answer_lost(demo: Demo) -> list[PaymentView]:
    """The charge goes through, the answer does not come back."""
    demo.timeline.act("5. A read timeout after the charge went through")
    payment = demo.pay("five", 2500)
    demo.network.armed = True
    try:
        payment = demo.confirm(payment, "five", "pm_card_visa")
    except OutcomeUnknown:
        demo.timeline.tell("confirm -> unknown; a timeout is not a failure")
        payment = demo.confirm(payment, "five", "pm_card_visa")
    demo.timeline.tell("the answer was lost, and the charge was found again: once")
    return [payment]


def process_killed(demo: Demo) -> list[PaymentView]:
    """The process dies between the charge and the commit that records it."""
    demo.timeline.act("6. A process killed between charge and commit")
    payment = demo.pay("six", 3100)
    arguments = {
        "path": str(demo.path),
        "payment": payment.id,
        "idempotency_key": f"{demo.run}-six-confirm",
        "base_url": demo.base_url,
    }
    child = subprocess.run(
        [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--child"],
        input=json.dumps(arguments),
        text=True,
        env={**os.environ, "STRIPE_SECRET_KEY": demo.key},
        check=False,
    )
    state = demo.service.get_payment(payment.id).state
    sleep(1.2)
    demo.timeline.tell(f"the process ended with signal {-child.returncode}")
    demo.timeline.tell(f"our database still says {state}")
    resumed = demo.confirm(payment, "six", "pm_card_visa")
    demo.timeline.tell(
        f"the shop repeats the call with the same key -> {resumed.state}"
    )
    return [payment]


_ACTS: Final[Sequence[Callable[[Demo], list[PaymentView]]]] = (
    automatic,
    captured_in_part,
    declined,
    challenged,
    answer_lost,
    process_killed,
)


# -- the verdict -----------------------------------------------------------------------


def problems(demo: Demo, payments: Sequence[PaymentView]) -> list[str]:
    """Return every invariant that is off."""
    found = [str(one) for one in _audit(demo)]
    for account in _unbalanced(demo.service.trial_balance()):
        found.append(f"the ledger does not sum to zero in {account}")
    for payment in payments:
        now = demo.service.get_payment(payment.id)
        paid = demo.sim is not None or now.state is not PaymentState.CANCELED
        if paid and now.state is not PaymentState.SUCCEEDED:
            found.append(f"payment {now.id} is {now.state}")
    if demo.sim is not None:
        charges = demo.sim.effects().charges
        found += [f"{one} was charged {n} times" for one, n in charges.items() if n > 1]
    pending = {k: n for k, n in demo.service.health().pending.items() if n}
    if pending and demo.sim is not None:
        found.append(f"work is left: {pending}")
    return found


def _audit(demo: Demo) -> Sequence[object]:
    with demo.database.connect() as connection:
        return ledger.audit(connection)


def _unbalanced(accounts: Sequence[AccountBalance]) -> Iterator[str]:
    for currency in sorted({account.currency for account in accounts}):
        rows = [a for a in accounts if a.currency == currency]
        if sum(a.debits for a in rows) != sum(a.credits for a in rows):
            yield currency


def _show_history(demo: Demo, payment: PaymentView) -> None:
    demo.timeline.note(f"\n  The history of {payment.id}, which nobody can change")
    for line in demo.service.payment_events(payment.id):
        change = f"{line.from_state} -> {line.to_state}" if line.to_state else ""
        demo.timeline.note(
            f"  {line.sequence:4}  {line.type:36}{change:46}{line.cause[:24]}"
        )


def _show_ledger(demo: Demo) -> None:
    demo.timeline.note("\n  The ledger")
    total = 0
    for account in demo.service.trial_balance():
        net = account.debits - account.credits
        total += net
        shown = f"{'-' if net < 0 else ''}{Money(abs(net), account.currency)}"
        demo.timeline.note(f"        {account.code:16}{shown:>16}")
    demo.timeline.note(f"        {'sum':16}{total:>12}")


# -- the stage -------------------------------------------------------------------------


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
        worker=Worker(service),
        network=network,
        timeline=timeline,
        run=SYSTEM.new_uuid().hex[-12:],
        key=key,
        base_url=base_url,
        sim=None,
    )


@contextmanager
def _stage(folder: Path, timeline: Timeline) -> Iterator[Demo]:
    """Set the stage: Stripe's test mode if there is a key for it, or our own Stripe."""
    path = folder / "paykit-demo.db"
    key = os.environ.get("STRIPE_SECRET_KEY", "")
    if key:
        if not key.startswith(("sk_test_", "rk_test_")):
            raise SystemExit(
                "STRIPE_SECRET_KEY is no test key: the demo moves no money"
            )
        timeline.tell("Stripe's test mode, at api.stripe.com")
        yield _demo(path, timeline, key, None)
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
            yield demo


def _child() -> None:
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


def _run(folder: Path, timeline: Timeline) -> int:
    with _stage(folder, timeline) as demo:
        timeline.tell(f"the shop's database is {demo.path.name}, SQLite")
        shown = [payment for act in _ACTS for payment in act(demo)]
        demo.settle()
        for payment in shown:
            demo.service.refresh_payment(payment.id)
        demo.settle()
        found = problems(demo, shown)
        _show_history(demo, shown[0])
        _show_ledger(demo)
        timeline.note("")
        for text in found:
            timeline.note(f"  WRONG: {text}")
        if not found:
            timeline.note("  Everybody was charged once, and the books balance.")
        if timeline.quiet:
            _print_json(demo, shown, found)
        demo.database.dispose()
    return 1 if found else 0


def _print_json(demo: Demo, shown: Sequence[PaymentView], found: list[str]) -> None:
    document = {
        "ok": not found,
        "problems": found,
        "steps": demo.timeline.steps,
        "payments": [
            demo.service.get_payment(p.id).model_dump(mode="json") for p in shown
        ],
        "events": [
            line.model_dump(mode="json")
            for line in demo.service.payment_events(shown[0].id)
        ],
        "ledger": [
            {
                "account": account.code,
                "currency": account.currency,
                "debits": account.debits,
                "credits": account.credits,
            }
            for account in demo.service.trial_balance()
        ],
    }
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if every invariant holds, 1 if one is off."""
    parser = argparse.ArgumentParser(
        prog="paykit demo", description=(__doc__ or "").strip().splitlines()[0]
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        _child()
        return 0
    with tempfile.TemporaryDirectory(prefix="paykit-demo-") as folder:
        return _run(Path(folder), Timeline(quiet=args.json))


if __name__ == "__main__":
    sys.exit(main())
