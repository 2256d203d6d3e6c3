"""The tools for hosts: each finds a planted bug, and passes without it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from paykit import EventView, Money, PaymentService
from paykit.clock import SYSTEM
from paykit.stripe import StripePsp
from paykit.testing.clock import FrozenClock
from paykit.testing.payments import paid_payment
from paykit.testing.permutations import WORK, check_permutations
from paykit.testing.proxy import Exchange, Lost, Proxy
from paykit.testing.quiet import Shop, empty_database, work_until_quiet
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.testing.stripe_server import StripeServer
from paykit.testing.sweep import sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Shop):
    """A host that writes down what it was told, in a table and outside of it."""

    outside: list[str] = field(default_factory=list)

    def table(self) -> list[str]:
        with self.service.driver.database.connect() as connection:
            return list(connection.scalars(text("SELECT note FROM notes")))


Handler = Callable[[Host, EventView, Session], None]
Opener = Callable[[], AbstractContextManager[Host]]


def opener(handler: Handler) -> Opener:
    """Return what opens a fresh host with one handler for everything."""

    @contextmanager
    def opened() -> Iterator[Host]:
        with empty_database() as engine:
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE notes (note TEXT)"))
            clock = FrozenClock()
            provider = SimulatedProvider(clock)
            service = PaymentService(engine, psp=SimulatedPsp(provider), world=clock)
            host = Host(service=service, provider=provider, clock=clock)
            service.on("payment.succeeded")(
                lambda event, session: handler(host, event, session)
            )
            yield host

    return opened


def write(host: Host, event: EventView, session: Session) -> None:
    note = f"{event.data['amount']}"
    session.execute(text("INSERT INTO notes VALUES (:note)"), {"note": note})


def send(host: Host, event: EventView, session: Session) -> None:
    host.outside.append(event.aggregate_id)


def fail(host: Host, event: EventView, session: Session) -> None:
    raise RuntimeError("a handler that never works")


def buy(host: Host) -> None:
    paid_payment(host.service)


def at_most_once(host: Host) -> None:
    assert len(host.outside) <= 1
    assert len(host.table()) <= 1


def test_the_sweep_finds_a_handler_that_sends_twice() -> None:
    with pytest.raises(AssertionError) as found:
        sweep(opener(send), buy, at_most_once)
    assert "before the COMMIT of a delivery" in found.value.__notes__[0]


def test_the_sweep_passes_what_is_written_through_the_session() -> None:
    reached = sweep(opener(write), buy, at_most_once)
    asked = [name for name in reached if name.startswith("after asking the PSP")]
    assert "after asking the PSP to create_payment" in asked
    assert "after asking the PSP to confirm_payment" in asked
    assert "after the COMMIT of a delivery" in reached


def test_what_was_begun_before_the_crash_is_ended_after_it() -> None:
    ends: set[int] = set()

    def check(host: Host) -> None:
        assert not host.service.health().pending["operation"]
        ends.add(len(host.table()))

    sweep(opener(write), buy, check)
    assert ends == {0, 1}


def test_a_handler_that_never_works_is_no_rest() -> None:
    with opener(fail)() as host:
        buy(host)
        with pytest.raises(AssertionError, match="the work never ends") as found:
            work_until_quiet(host)
    told = "payment.succeeded of pay_.* failed 9 times.* RuntimeError in fail "
    assert re.search(told, str(found.value))


def roll_back(host: Host, event: EventView, session: Session) -> None:
    write(host, event, session)
    session.rollback()


def test_a_handler_that_rolls_back_has_failed_and_is_named() -> None:
    with opener(roll_back)() as host:
        buy(host)
        with pytest.raises(AssertionError, match=r"payment\.succeeded .* failed 9"):
            work_until_quiet(host)


def test_an_error_of_the_scenario_says_what_had_died_before() -> None:
    def buy_and_misread(host: Host) -> None:
        try:
            buy(host)
        except BaseException as died:
            raise KeyError("the host takes a crash for a missing order") from died

    with pytest.raises(KeyError) as found:
        sweep(opener(write), buy_and_misread, at_most_once)
    (note,) = found.value.__notes__
    assert note.startswith("the process had died at boundary 0, after the COMMIT of ")


@pytest.mark.parametrize("forgotten", ["service", "provider"])
def test_a_shop_with_two_clocks_is_refused(forgotten: str) -> None:
    clock = FrozenClock()
    provider = SimulatedProvider(SYSTEM if forgotten == "provider" else clock)
    world = SYSTEM if forgotten == "service" else clock
    with empty_database() as engine:
        service = PaymentService(engine, psp=SimulatedPsp(provider), world=world)
        with pytest.raises(ValueError, match=f"make the {forgotten} with "):
            Shop(service=service, provider=provider, clock=clock)


def two_debits(host: Host) -> None:
    for name, amount in (("one", 100), ("two", 200)):
        created = host.service.create_payment(
            amount=Money(amount, "usd"), idempotency_key=f"create-{name}"
        )
        host.service.confirm_payment(
            created.id,
            payment_method="pm_usBankAccount_success",
            idempotency_key=f"confirm-{name}",
        )
    host.provider.settle_charges()


def test_permutations_find_a_host_that_counts_on_an_order() -> None:
    with pytest.raises(AssertionError, match="the order of webhooks decides") as found:
        check_permutations(opener(write), two_debits, Host.table)
    told = "\n".join(found.value.__notes__)
    assert WORK in told
    assert "payment_intent.succeeded" in told


def test_permutations_pass_a_host_that_does_not() -> None:
    def outcome(host: Host) -> list[str]:
        return sorted(host.table())

    assert check_permutations(opener(write), two_debits, outcome, examples=10) > 4


def test_a_scenario_without_webhooks_is_refused() -> None:
    with pytest.raises(ValueError, match="no webhooks"):
        check_permutations(opener(write), lambda host: None, Host.table)


@pytest.mark.parametrize(("lost", "acted"), [("request", 0), ("reply", 1)])
def test_the_proxy_loses_a_request_or_its_reply(lost: Lost, acted: int) -> None:
    charges: list[int] = []

    with (
        empty_database() as engine,
        StripeServer() as server,
        Proxy(("127.0.0.1", port_of(server)), Exchange(b"/confirm ")) as proxy,
    ):
        psp = StripePsp("sk_test_default", base_url=f"http://127.0.0.1:{proxy.port}")
        service = PaymentService(engine, psp=psp)
        send_ = server.respond

        def respond(request: object) -> object:
            if proxy.cut:
                charges.append(sum(server.sim.effects().charges.values()))
            return send_(request)  # type: ignore[arg-type]

        server.respond = respond  # type: ignore[assignment, method-assign]
        proxy.lose(1, lost)
        try:
            assert paid_payment(service).paid
        finally:
            psp.close()
        assert proxy.cut == 1
        assert list(server.sim.effects().charges.values()) == [1]
    # What had been charged when the second request came.
    assert charges[-1] == acted


def test_a_side_that_hangs_up_in_the_middle_is_no_error_of_the_proxy(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A thread that raised would fail this test: pytest's warnings are errors."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Proxy(listener.getsockname(), Exchange(b"never")) as proxy,
    ):
        for leaves in ("client", "server") * 5:
            client = socket.create_connection(("127.0.0.1", proxy.port))
            server, _ = listener.accept()
            gone, sender = (client, server) if leaves == "client" else (server, client)
            sender.sendall(b"x" * 10)
            gone.recv(1)
            gone.close()  # with something unread: the connection is reset
            _send_until_refused(sender)
            sender.close()
    assert "Traceback" not in capfd.readouterr().err


def _send_until_refused(connection: socket.socket) -> None:
    connection.settimeout(10)
    with suppress(ConnectionError):
        while True:
            connection.sendall(b"x" * 65536)


def port_of(server: StripeServer) -> int:
    return int(server.url.rpartition(":")[2])
