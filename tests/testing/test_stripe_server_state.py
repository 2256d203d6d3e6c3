"""What was answered is still so after a SIGKILL, and nothing is given twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.simulated.archive import TABLES
from paykit.testing.simulated.changes import merge
from paykit.testing.simulated.idempotency import Remembered
from paykit.testing.simulated.objects import Json, SimEvent
from paykit.testing.simulated.rows import Row, Table
from paykit.testing.stripe_server import StripeServer
from tests.testing.simulated import charge_of, held, opened, paid, post
from tests.testing.webhook_endpoint import listening
from tests.testing.worlds import StillWorld

KEY = {"Authorization": "Bearer sk_test_state"}
PAYMENT = {
    "amount": "1000",
    "currency": "usd",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "automatic_payment_methods[enabled]": "true",
    "automatic_payment_methods[allow_redirects]": "never",
}
CLIENTS = 32


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the server, and end it if the test did not."""
    command = [sys.executable, "-m", "paykit.testing.stripe_server", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running, running.stdout.readline().strip()
        finally:
            running.terminate()


def write(url: str, number: int, enough: Event) -> dict[str, Json]:
    """Pay until the server is gone; return what was answered to each key."""
    answered: dict[str, Json] = {}
    with httpx.Client(base_url=url, headers=KEY, timeout=60) as http:
        for turn in range(10_000):
            key = f"client-{number}-{turn}"
            try:
                made = pay(http, key)
            except httpx.TransportError:
                break
            assert made.status_code == 200, made.text
            answered[key] = made.json()
            if turn == 2:
                enough.set()
    return answered


def pay(http: httpx.Client, key: str) -> httpx.Response:
    return http.post(
        "/v1/payment_intents", data=PAYMENT, headers={"Idempotency-Key": key}
    )


def everything(http: httpx.Client, kind: str) -> list[Json]:
    """Read a list from end to end."""
    found: list[Json] = []
    params = {"limit": "100"}
    while True:
        page = http.get(f"/v1/{kind}", params=params).json()
        found += page["data"]
        if not page["has_more"]:
            return found
        params["starting_after"] = str(found[-1]["id"])


def test_a_killed_server_has_lost_no_answered_write(tmp_path: Path) -> None:
    state = str(tmp_path / "stripe.state")
    enough = Event()
    with ThreadPoolExecutor(CLIENTS) as clients:
        with process("--state", state) as (server, url):
            work = [clients.submit(write, url, n, enough) for n in range(CLIENTS)]
            assert enough.wait(60)
            os.kill(server.pid, signal.SIGKILL)
        answered = {key: body for one in work for key, body in one.result().items()}
    assert answered
    with (
        process("--state", state) as (_, url),
        httpx.Client(base_url=url, headers=KEY, timeout=60) as http,
    ):
        for key, body in answered.items():
            again = pay(http, key)
            assert again.headers["Idempotent-Replayed"] == "true"
            assert again.json() == body
            assert http.get(f"/v1/payment_intents/{body['id']}").json() == body
        fresh = pay(http, "after-the-restart").json()
        payments = [row["id"] for row in everything(http, "payment_intents")]
        assert len(payments) == len(set(payments))
        assert {body["id"] for body in answered.values()} < set(payments)
        assert payments.count(fresh["id"]) == 1
        events = [row["id"] for row in everything(http, "events")]
        assert len(events) == len(set(events))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "stripe.state"


def restarted(state: Path) -> SimulatedProvider:
    """Return what a new server knows from `state`."""
    sim = SimulatedProvider(StillWorld())
    StripeServer(sim, state=state).close()
    return sim


def test_every_step_is_in_the_state_at_once(state: Path) -> None:
    sim = SimulatedProvider(StillWorld())
    before = paid(sim)
    server = StripeServer(sim, state=state)
    story(sim, before)
    copy = state.with_name("copy")
    copy.write_bytes(state.read_bytes())  # as it is, without a clean end
    assert restarted(copy).dump() == sim.dump()
    server.close()


def story(sim: SimulatedProvider, before: str) -> None:
    """Let a bit of everything happen."""
    sim.call("create_refund", payment_intent=before, amount=100)
    post(sim, "confirm_payment", opened(sim, "pm_card_chargeDeclined"), "declined")
    part = held(sim)
    sim.call("capture_payment", part, amount_to_capture=400, metadata={"a": "b"})
    sim.call("update_payment", before, metadata={"c": "d"}, description="later")
    sim.call("cancel_payment", held(sim))
    sim.expire_authorization(held(sim))
    slow = paid(sim, "pm_usBankAccount_success")
    sim.settle_charges()
    sim.return_debit(slow)
    failing = paid(sim, "pm_card_refundFail")
    sim.call("create_refund", payment_intent=failing)
    sim.settle_refunds()
    url = "https://shop.test/hooks"
    sim.call("create_webhook_endpoint", url=url, enabled_events=["*"])
    gone = sim.call("create_webhook_endpoint", url=url, enabled_events=["*"])
    disputed = paid(sim, "pm_card_createDispute")
    sim.call("delete_webhook_endpoint", str(gone["id"]))
    dispute = charge_of(sim, disputed)
    assert dispute["disputed"] is True
    [delivery, *_] = sim.deliveries(lambda _event, _endpoint: True)
    sim.mark_delivered(delivery.event, delivery.endpoint.id)
    sim.pending_webhooks()


def test_a_line_that_was_torn_was_never_answered(state: Path) -> None:
    sim = SimulatedProvider(StillWorld())
    with StripeServer(sim, state=state):
        first = paid(sim)
    whole = state.read_bytes()
    with StripeServer(sim, state=state):
        second = opened(sim)
    longer = state.read_bytes()
    assert second.encode() in longer
    state.write_bytes(longer[:-1])
    torn = restarted(state)
    assert torn.intent(first).status == "succeeded"
    assert second not in torn.dump()["accounts"]["default"]["intents"]  # type: ignore[index]
    assert len(whole) > 0


def test_a_line_that_is_broken_in_the_middle_is_an_error(state: Path) -> None:
    sim = SimulatedProvider(StillWorld())
    with StripeServer(sim, state=state):
        paid(sim)
    lines = state.read_bytes().splitlines(keepends=True)
    state.write_bytes(b"".join([lines[0], b'{"tenant":\n', *lines[1:]]))
    with pytest.raises(ValueError, match="not a step"):
        restarted(state)


def test_a_file_of_another_kind_is_left_alone(state: Path) -> None:
    state.write_text("precious\n")
    with pytest.raises(ValueError, match="not the state"):
        restarted(state)
    assert state.read_text() == "precious\n"


def test_two_servers_cannot_have_one_state(state: Path) -> None:
    with (
        StripeServer(state=state),
        pytest.raises(OSError, match="another server"),
    ):
        StripeServer(state=state)
    StripeServer(state=state).close()


def test_a_journal_that_cannot_be_written_keeps_the_answer_back() -> None:
    sim = SimulatedProvider(StillWorld())

    def full(_: bytes) -> None:
        raise OSError("no space left")

    written: list[bytes] = []
    sim.journal(written.append)
    sim.journal(lambda line: full(line) if b"pi_" in line else None)
    with pytest.raises(OSError, match="no space"):
        opened(sim)


def test_what_was_forgotten_stays_forgotten(state: Path) -> None:
    sim = SimulatedProvider(StillWorld())
    with StripeServer(sim, state=state):
        before = paid(sim)
        sim.reset()
        after = paid(sim)
    again = restarted(state)
    assert again.dump() == sim.dump()
    assert before != after
    assert before not in json.dumps(again.dump())


def test_webhooks_that_are_open_are_delivered_after_the_restart(state: Path) -> None:
    with listening() as endpoint:
        endpoint.statuses.extend([500, 200])
        first = SimulatedProvider(StillWorld())
        server = StripeServer(
            first, state=state, webhook_url=endpoint.url, background=False
        )
        post(first, "create_payment", "", "k1", amount=1000, currency="usd")
        post(first, "create_payment", "", "k2", amount=1000, currency="usd")
        server.deliver_webhooks()
        server.close()
        refused, accepted = endpoint.bodies()
        second = SimulatedProvider(StillWorld())
        again = StripeServer(
            second, state=state, webhook_url=endpoint.url, background=False
        )
        again.deliver_webhooks()
        again.close()
        assert endpoint.bodies() == [refused]
        assert accepted != refused
    assert not second.events(undelivered=True)


def test_only_what_changed_is_written() -> None:
    sim = SimulatedProvider(StillWorld())
    for _ in range(20):
        paid(sim)
    lines: list[bytes] = []
    sim.journal(lines.append)
    mine = opened(sim)
    sim.call("read_payment", mine)
    _, step, read = lines
    assert step.count(b'"capture_method"') == 2  # the payment, and in its event
    assert json.loads(read).keys() == {"counters"}


def test_a_row_that_was_looked_up_may_have_changed_inside() -> None:
    sim = SimulatedProvider(StillWorld())
    payment = opened(sim)
    table = Table({payment: sim.intent(payment)})
    for look in (table.__getitem__, table.get):
        table.suspects.clear()
        assert look(payment) is not None
        assert list(table.suspects) == [payment]


@pytest.mark.parametrize("kind", [*TABLES.values(), Remembered, SimEvent])
def test_every_kept_row_tells_when_it_is_changed(kind: type) -> None:
    assert issubclass(kind, Row)


def test_steps_replace_whole_rows() -> None:
    row: Callable[[Any], Json] = lambda value: {"accounts": {"a": {"t": {"r": value}}}}  # noqa: E731
    memory: Json = {}
    for step in (row({"x": {"old": 1}}), row({"x": {"new": 1}})):
        merge(memory, step)
    assert memory == row({"x": {"new": 1}})
    merge(memory, row(None))
    assert memory == {"accounts": {"a": {"t": {}}}}
