"""Store first, think later: what the endpoint answers, whatever arrives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError

from paykit import PaymentService, WebhookReceiver, create_all
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.testing.simulated.webhooks import sign
from tests.support import FrozenWorld, Shop

SIGNATURE: Final = "stripe-signature"


def _inbox(shop: Shop) -> list[Any]:
    return shop.query("SELECT * FROM paykit_inbox ORDER BY id")


def _webhook(shop: Shop, position: int = 0) -> tuple[bytes, dict[str, str]]:
    return shop.sim.webhook(shop.sim.events()[position])


def test_a_webhook_is_stored_raw_and_nothing_else_happens(shop: Shop) -> None:
    payment = shop.create_payment()
    before = shop.get(payment.id)
    body, headers = _webhook(shop)
    response = shop.receive(body, headers)
    assert (response.status, response.reason) == (200, "stored")
    (row,) = _inbox(shop)
    assert bytes(row["body"]) == body
    assert row["status"] == "received"
    assert row["event_type"] == "payment_intent.created"
    assert row["binding"] == "simulated:default:test"
    assert shop.get(payment.id) == before
    assert shop.scalar("SELECT count(*) FROM paykit_work WHERE queue = 'inbox'") == 1


def test_a_webhook_that_comes_again_is_stored_once(shop: Shop) -> None:
    shop.create_payment()
    body, headers = _webhook(shop)
    answers = [shop.receive(body, headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [answer.reason for answer in answers][1:] == ["received before"] * 2
    assert len(_inbox(shop)) == 1
    shop.work()
    assert shop.receive(body, headers).reason == "received before"
    assert shop.scalar("SELECT count(*) FROM paykit_work WHERE queue = 'inbox'") == 0
    (row,) = _inbox(shop)
    assert row["status"] == "applied"


@pytest.mark.parametrize("kind", ["pairs", "capitals", "memoryview", "bytearray"])
def test_any_shape_of_a_request_will_do(shop: Shop, kind: str) -> None:
    shop.create_payment()
    body, headers = _webhook(shop)
    given: Any = headers
    raw: Any = body
    match kind:
        case "pairs":
            given = list(headers.items())
        case "capitals":
            given = {name.upper(): value for name, value in headers.items()}
        case "memoryview":
            raw = memoryview(body)
        case _:
            raw = bytearray(body)
    assert shop.receive(raw, given).status == 200
    (row,) = _inbox(shop)
    assert bytes(row["body"]) == body


def _tampered(shop: Shop) -> dict[str, tuple[Any, Any]]:
    body, headers = _webhook(shop)
    signed = headers[SIGNATURE]
    now = shop.world.now()
    secret = shop.sim.webhook_secret

    def fresh(raw: bytes) -> tuple[bytes, dict[str, str]]:
        return raw, sign(raw, secret, now)

    return {
        "no header": (body, {}),
        "empty header": (body, {SIGNATURE: ""}),
        "words": (body, {SIGNATURE: "let me in"}),
        "no time": (body, {SIGNATURE: signed.partition(",")[2]}),
        "no signature": (body, {SIGNATURE: signed.partition(",")[0]}),
        "another secret": (body, sign(body, "whsec_other", now)),
        "changed body": (body + b" ", headers),
        "body of another": (b"{}", headers),
        "beyond ASCII": (body, {SIGNATURE: signed + "ü"}),
        "too old": (body, sign(body, secret, now - timedelta(seconds=301))),
        "from the future": (body, sign(body, secret, now + timedelta(seconds=301))),
        "far future": (body, {SIGNATURE: "t=99999999999999999999,v1=00"}),
        "negative time": (body, {SIGNATURE: "t=-1,v1=00"}),
        "huge body": fresh(b'{"id": "' + b"x" * 1_000_000 + b'"}'),
        "text, not bytes": (body.decode(), headers),
        "nothing": (None, headers),
        "empty body": fresh(b""),
        "no JSON": fresh(b"hello"),
        "no UTF-8": fresh(b"\xff\xfe"),
        "a list": fresh(b"[]"),
        "null": fresh(b"null"),
        "no id": fresh(b'{"type": "a"}'),
        "empty id": fresh(b'{"id": "", "type": "a"}'),
        "no type": fresh(b'{"id": "evt_1"}'),
        "id that is a number": fresh(b'{"id": 1, "type": "a"}'),
        "id that is an object": fresh(b'{"id": {}, "type": "a"}'),
        "id with NUL": fresh(b'{"id": "evt\\u0000", "type": "a"}'),
        "type with NUL": fresh(b'{"id": "evt_1", "type": "\\u0000"}'),
        "account with NUL": fresh(
            b'{"id": "evt_1", "type": "a", "account": "\\u0000"}'
        ),
        "half a surrogate": fresh(b'{"id": "\\ud83d", "type": "a"}'),
        "huge id": fresh(json.dumps({"id": "e" * 300, "type": "a"}).encode()),
        "huge type": fresh(json.dumps({"id": "evt_1", "type": "t" * 300}).encode()),
        "nested deep": fresh(b"[" * 200_000),
        "huge number": fresh(b'{"id": ' + b"9" * 5000 + b"}"),
    }


def test_whatever_is_malformed_is_a_400(shop: Shop) -> None:
    """Failure 21: forged and malformed headers are refused, and crash nothing."""
    shop.create_payment()
    before = shop.counts()
    answers = {}
    for name, (body, headers) in _tampered(shop).items():
        response = shop.receive(body, headers)
        answers[name] = response.status
        assert "whsec" not in response.reason
    assert {name: status for name, status in answers.items() if status != 400} == {}
    assert shop.counts() == before


def test_clocks_may_differ_a_little(shop: Shop) -> None:
    """Failure 22: in both directions, and not for ever in either."""
    shop.create_payment()
    body, _ = _webhook(shop)
    for seconds in (-300, -1, 1, 300):
        then = shop.world.now() + timedelta(seconds=seconds)
        headers = sign(body, shop.sim.webhook_secret, then)
        assert shop.receive(body, headers).status == 200


def _event_body(changes: dict[str, object]) -> bytes:
    event = {"id": "evt_x", "type": "a.b", "data": {"object": {}}, **changes}
    return json.dumps(event).encode()


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda some: (
        st.lists(some, max_size=3)
        | st.dictionaries(st.text(max_size=9), some, max_size=3)
    ),
    max_leaves=8,
)
_bodies = (
    st.binary(max_size=400)
    | _anything.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(
        st.sampled_from(["id", "type", "account", "data", "api_version"]),
        _anything,
        max_size=5,
    ).map(lambda value: _event_body(dict(value)))
)
_headers = st.dictionaries(
    st.sampled_from([SIGNATURE, "Stripe-Signature", "other"]) | st.text(max_size=20),
    st.text(max_size=80)
    | st.from_regex(r"t=[0-9]{1,25}(,v[01]=[0-9a-f]{0,70}){0,3}", fullmatch=True),
    max_size=4,
)


@given(body=_bodies, headers=_headers, seconds=st.integers(-400, 400), valid=...)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_comes_over_the_wire_raises(
    quick: Shop, body: bytes, headers: dict[str, str], seconds: int, valid: bool
) -> None:
    if valid:
        then = quick.world.now() + timedelta(seconds=seconds)
        headers = {**headers, **sign(body, quick.sim.webhook_secret, then)}
    before = len(_inbox(quick))
    response = quick.receive(body, headers)
    assert response.status in {200, 400}
    if not valid:
        assert response.status == 400
    if response.status == 400:
        assert len(_inbox(quick)) == before


# -- the database is away --------------------------------------------------------------


@contextmanager
def _database_down(shop: Shop) -> Iterator[None]:
    database = shop.service.driver.database
    sync = getattr(database, "sync_engine", database)

    def refuse(connection: Any) -> None:
        raise OperationalError("COMMIT", {}, Exception("the server is gone"))

    event.listen(sync, "commit", refuse)
    try:
        yield
    finally:
        event.remove(sync, "commit", refuse)


def test_a_row_that_cannot_be_committed_is_a_503(shop: Shop) -> None:
    shop.create_payment()
    before = shop.counts()
    body, headers = _webhook(shop)
    with _database_down(shop):
        response = shop.receive(body, headers)
    assert response.status == 503
    assert "gone" not in response.reason
    assert shop.counts() == before
    assert shop.receive(body, headers).reason == "stored"


def test_a_database_that_is_not_there_is_a_503(tmp_path: Path) -> None:
    world = FrozenWorld()
    sim = SimulatedProvider(world)
    psp = SimulatedPsp(sim)
    sim.call("create_payment", amount=1000, currency="eur")
    body, headers = sim.webhook(sim.events()[0])
    for url in (
        f"sqlite:///{tmp_path}/missing/paykit.db",
        "postgresql+psycopg://nobody@127.0.0.1:9/nothing?connect_timeout=2",
        f"sqlite:///{tmp_path}/empty.db",
    ):
        service = PaymentService(create_engine(url), psp=psp, world=world)
        assert WebhookReceiver(service).receive(body, headers).status == 503, url


def test_each_account_has_a_receiver_of_its_own(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/paykit.db")
    create_all(engine)
    world = FrozenWorld()
    sim = SimulatedProvider(world)
    service = PaymentService(engine, psp=SimulatedPsp(sim), world=world)
    other = SimulatedPsp(sim, "acct_2", webhook_secret="whsec_2")
    sim.call("create_payment", amount=1000, currency="eur")
    body, headers = sim.webhook(sim.events()[0])
    assert WebhookReceiver(service).receive(body, headers).status == 200
    second = WebhookReceiver(service, psp=other)
    assert second.receive(body, headers).status == 400
    assert second.receive(body, other.sign(body, world.now())).status == 200
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT binding FROM paykit_inbox").scalars()
        assert sorted(found) == ["simulated:acct_2:test", "simulated:default:test"]
    engine.dispose()
