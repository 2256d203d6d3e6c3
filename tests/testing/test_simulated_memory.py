"""Test clocks, and that everything around payments survives a dump."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from paykit.testing.simulated.changes import merge
from tests.testing.simulated import opened, paid, told
from tests.testing.worlds import StillWorld

START = 1_900_000_000


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


def test_a_test_clock_goes_forward_only(sim: SimulatedProvider) -> None:
    clock = str(sim.call("create_clock", frozen_time=START, name="year")["id"])
    body = sim.call("advance_clock", clock, frozen_time=START + 60)
    assert (body["status"], body["frozen_time"]) == ("advancing", START)
    assert body["status_details"] == {"advancing": {"target_frozen_time": START + 60}}
    with pytest.raises(ProviderError, match="still advancing"):
        sim.call("advance_clock", clock, frozen_time=START + 120)
    body = sim.call("read_clock", clock)
    assert (body["status"], body["frozen_time"]) == ("ready", START + 60)
    for early in (START, START + 60):
        with pytest.raises(ProviderError) as caught:
            sim.call("advance_clock", clock, frozen_time=early)
        assert caught.value.param == "frozen_time"
    assert told(sim) == [
        f"test_helpers.test_clock.{word}" for word in ("created", "advancing", "ready")
    ]


def test_payments_do_not_follow_a_test_clock(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    clock = str(sim.call("create_clock", frozen_time=START)["id"])
    sim.call("advance_clock", clock, frozen_time=START + 10**8)
    sim.call("read_clock", clock)
    assert sim.intent(opened(sim)).created == world.time


def test_a_deleted_test_clock_is_gone(sim: SimulatedProvider) -> None:
    clock = str(sim.call("create_clock", frozen_time=START)["id"])
    assert sim.call("delete_clock", clock)["deleted"] is True
    with pytest.raises(ProviderError, match="No such"):
        sim.call("read_clock", clock)


def crowded(sim: SimulatedProvider) -> dict[str, str]:
    """Make one of everything; return the verbs that read it, with the ids."""
    payment = paid(sim)
    endpoint = sim.call(
        "create_webhook_endpoint", url="https://shop.example", enabled_events=["*"]
    )
    sim.controls.roll_secret(str(endpoint["id"]), keep_seconds=60)
    dispute = sim.controls.open_dispute(payment, amount=100)
    evidence = {"uncategorized_text": "hm"}
    sim.call("update_dispute", dispute, evidence=evidence, submit=False)
    return {
        "read_dispute": dispute,
        "read_review": sim.controls.open_review(payment),
        "read_warning": sim.controls.warn_of_fraud(payment),
        "read_payout": sim.controls.create_automatic_payout("eur")
        if paid(sim, currency="eur")
        else "",
        "read_webhook_endpoint": str(endpoint["id"]),
        "read_setup": str(sim.call("create_setup")["id"]),
        "read_clock": str(sim.call("create_clock", frozen_time=START)["id"]),
    }


def test_everything_survives_a_dump(sim: SimulatedProvider, world: StillWorld) -> None:
    made = crowded(sim)
    other = SimulatedProvider(world, tag="other")
    other.load(json.loads(json.dumps(sim.dump())))
    for verb, reference in made.items():
        assert other.call(verb, reference) == sim.call(verb, reference), verb
    assert other.call("read_balance") == sim.call("read_balance")
    world.time += timedelta(seconds=1)
    assert [
        (one.event.id, one.endpoint.id, one.body, one.secrets)
        for one in other.deliveries(lambda _event, _endpoint: True)
    ] == [
        (one.event.id, one.endpoint.id, one.body, one.secrets)
        for one in sim.deliveries(lambda _event, _endpoint: True)
    ]


def test_a_journal_tells_every_step_of_everything(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    lines: list[bytes] = []
    sim.journal(lines.append)
    made = crowded(sim)
    gone = sim.call(
        "create_webhook_endpoint", url="https://shop.example", enabled_events=["*"]
    )
    sim.controls.resolve_dispute(made["read_dispute"], "lost")
    sim.controls.resolve_dispute(made["read_dispute"], "won")
    sim.controls.close_review(made["read_review"])
    sim.controls.advance_payout(made["read_payout"], "in_transit")
    sim.controls.roll_secret(made["read_webhook_endpoint"], keep_seconds=60)
    sim.call("delete_webhook_endpoint", str(gone["id"]))
    sim.call("advance_clock", made["read_clock"], frozen_time=START + 60)
    sim.call("read_clock", made["read_clock"])
    asked_about = paid(sim)
    sim.controls.warn_of_fraud(asked_about)
    # From here on rows change that nobody has looked up by their ids.
    sim.controls.open_dispute(asked_about, kind="inquiry")
    sim.controls.open_review(asked_about)
    sim.forward("http://127.0.0.1:1/", "whsec_a")
    sim.call("create_refund", payment_intent=asked_about)
    sim.forward(None, "")
    for delivery in sim.deliveries(lambda _event, _endpoint: True)[:5]:
        sim.mark_delivered(delivery.event, delivery.endpoint.id)

    memory: dict[str, object] = {}
    for line in lines:
        merge(memory, json.loads(line))

    restored = SimulatedProvider(world)
    restored.load(memory)
    assert restored.dump() == sim.dump()


def test_after_a_dump_new_events_still_reach_the_endpoints(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    made = crowded(sim)
    other = SimulatedProvider(world)
    other.load(sim.dump())
    opened(other)
    assert other.events()[-1].waiting == [made["read_webhook_endpoint"]]


def test_a_won_dispute_is_won_after_a_dump(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    dispute = sim.controls.open_dispute(paid(sim))
    other = SimulatedProvider(world)
    other.load(sim.dump())
    other.controls.resolve_dispute(dispute, "won")
    movements = other.call("read_dispute", dispute)["balance_transactions"]
    assert isinstance(movements, list)
    assert [row["amount"] for row in movements] == [-1000, 1000]
    assert other.effects().balance == {"usd": 941 - 1500}
