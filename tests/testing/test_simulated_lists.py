"""The lists of the simulated account, and above all its list of events."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from tests.testing.simulated import opened, paid, rows
from tests.testing.worlds import StillWorld


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


def types(sim: SimulatedProvider, **params: object) -> list[object]:
    return [row["type"] for row in rows(sim.call("list_events", limit=100, **params))]


def ids(sim: SimulatedProvider, verb: str, **params: object) -> list[object]:
    return [row["id"] for row in rows(sim.call(verb, **params))]


def test_events_are_found_by_type(sim: SimulatedProvider) -> None:
    paid(sim)
    both = ["payment_intent.succeeded", "payment_intent.created"]
    assert types(sim, types=both) == both
    assert types(sim, type="charge.succeeded") == ["charge.succeeded"]
    assert types(sim, type="payment_intent.*") == both
    assert types(sim, types=["payout.paid"]) == []


def test_at_most_twenty_types_are_asked_for(sim: SimulatedProvider) -> None:
    assert types(sim, types=["a"] * 20) == []
    with pytest.raises(ProviderError, match="at most 20"):
        types(sim, types=["a"] * 21)
    with pytest.raises(ProviderError, match="only specify one"):
        types(sim, types=["a"], type="b")


def test_events_are_shown_for_thirty_days(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    opened(sim)
    event = str(ids(sim, "list_events")[0])
    world.time += timedelta(days=30, seconds=-1)
    assert sim.call("read_event", event)["id"] == event
    world.time += timedelta(seconds=1)
    assert ids(sim, "list_events") == []
    with pytest.raises(ProviderError, match="No such event"):
        sim.call("read_event", event)


def test_undelivered_events_are_told_from_delivered_ones(
    sim: SimulatedProvider,
) -> None:
    opened(sim)
    sim.mark_delivered(sim.events()[0])
    opened(sim)
    first, second = (event.id for event in sim.events())
    assert ids(sim, "list_events", delivery_success=True) == [first]
    assert ids(sim, "list_events", delivery_success=False) == [second]
    assert sim.call("read_event", second)["pending_webhooks"] == 1


def test_events_are_bounded_by_time(sim: SimulatedProvider, world: StillWorld) -> None:
    opened(sim)
    world.time += timedelta(minutes=1)
    opened(sim)
    early, late = (event.id for event in sim.events())
    now = int(world.time.timestamp())
    assert ids(sim, "list_events", created={"gte": now}) == [late]
    assert ids(sim, "list_events", created={"lt": now}) == [early]


def test_a_page_may_begin_at_an_object_that_the_filter_hides(
    sim: SimulatedProvider,
) -> None:
    paid(sim)
    created, *_ = (event.id for event in sim.events())
    newer = ids(sim, "list_events", ending_before=created, type="charge.succeeded")
    assert len(newer) == 1
    assert ids(sim, "list_events", starting_after=newer[0], type="charge.*") == []
    older = ids(sim, "list_events", starting_after=newer[0], type="payment_intent.*")
    assert older == [created]


@pytest.mark.parametrize(
    ("verb", "make"),
    [
        ("list_disputes", lambda sim: sim.controls.open_dispute(paid(sim))),
        ("list_reviews", lambda sim: sim.controls.open_review(paid(sim))),
        ("list_warnings", lambda sim: sim.controls.warn_of_fraud(paid(sim))),
        ("list_setups", lambda sim: sim.call("create_setup")["id"]),
        (
            "list_clocks",
            lambda sim: sim.call("create_clock", frozen_time=1)["id"],
        ),
    ],
)
def test_every_list_turns_its_pages_in_both_directions(
    sim: SimulatedProvider, verb: str, make: object
) -> None:
    assert callable(make)
    made = [make(sim) for _ in range(5)]
    page = sim.call(verb, limit=2)
    assert ([row["id"] for row in rows(page)], page["has_more"]) == (made[:2:-1], True)
    assert ids(sim, verb, limit=3, starting_after=made[3]) == made[2::-1]
    assert ids(sim, verb, limit=2, ending_before=made[0]) == made[2:0:-1]
    with pytest.raises(ProviderError, match="No such object"):
        ids(sim, verb, starting_after="nobody")
    with pytest.raises(ProviderError, match="limit"):
        ids(sim, verb, limit=101)
