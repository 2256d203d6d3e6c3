"""Search at the simulated provider: its language, its pages and its lag."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from tests.testing.simulated import charge_of, opened, paid, rows
from tests.testing.worlds import StillWorld


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


def found(sim: SimulatedProvider, query: str, **params: object) -> list[object]:
    body = sim.call("search_payments", query=query, **params)
    assert body["object"] == "search_result"
    return [row["id"] for row in rows(body)]


def test_a_new_payment_is_not_found_at_once(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    payment = opened(sim, metadata={"order": "7"})
    query = "metadata['order']:'7'"
    assert found(sim, query) == []
    world.time += timedelta(seconds=59)
    assert found(sim, query) == []
    world.time += timedelta(seconds=1)
    assert found(sim, query) == [payment]


def test_a_changed_payment_is_found_as_it_was(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    payment = opened(sim)
    world.time += timedelta(minutes=5)
    sim.call("confirm_payment", payment)
    assert found(sim, "status:'succeeded'") == []
    assert found(sim, "status:'requires_confirmation'") == [payment]
    world.time += timedelta(minutes=5)
    assert found(sim, "status:'succeeded'") == [payment]
    sim.call("update_payment", payment, metadata={"order": "7"})
    assert found(sim, "metadata['order']:'7'") == []


def test_the_lag_can_be_set(sim: SimulatedProvider, world: StillWorld) -> None:
    sim.controls.set_search_lag(3600)
    payment = opened(sim)
    world.time += timedelta(minutes=59)
    assert found(sim, "amount:1000") == []
    sim.controls.set_search_lag(0)
    assert found(sim, "amount:1000") == [payment]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("metadata['order']:'7'", "a"),
        ('metadata["order"]:"7"', "a"),
        ("metadata['order']~'8'", "b"),
        ("metadata['order']:null", "c"),
        ("-metadata['order']:null", "ba"),
        ("status:'succeeded'", "a"),
        ("-status:'succeeded'", "cb"),
        ("status:'SUCCEEDED'", "a"),
        ("amount:1000", "a"),
        ("amount>1000", "cb"),
        ("amount>=1000 AND amount<2000", "ba"),
        ("amount>1000 amount<2000", "b"),
        ("amount<=1500 AND metadata['order']:'1\\'8'", "b"),
        ("metadata['order']:'7' OR amount:2000", "ca"),
        ("currency:'eur'", "c"),
        ("created<1", ""),
    ],
)
def test_queries_mean_what_they_mean_at_stripe(
    sim: SimulatedProvider, query: str, expected: str
) -> None:
    sim.controls.set_search_lag(0)
    names = {
        paid(sim, metadata={"order": "7"}): "a",
        opened(sim, amount=1500, metadata={"order": "1'8"}): "b",
        opened(sim, amount=2000, currency="eur"): "c",
    }
    assert "".join(names[str(one)] for one in found(sim, query)) == expected


@pytest.mark.parametrize(
    "query",
    [
        "order 7",
        "metadata:'7'",
        "status['a']:'b'",
        "status>'a'",
        "amount:'many'",
        "amount:1 AND",
        "amount:1 AND amount:2 OR amount:3",
        "amount:1, amount:2",
        "colour:'red'",
        "   ",
        " AND ".join(["amount:1"] * 11),
    ],
)
def test_an_unreadable_query_is_refused(sim: SimulatedProvider, query: str) -> None:
    with pytest.raises(ProviderError) as caught:
        found(sim, query)
    assert (caught.value.status, caught.value.param) == (400, "query")


def test_search_turns_pages_of_its_own(sim: SimulatedProvider) -> None:
    sim.controls.set_search_lag(0)
    made = [opened(sim) for _ in range(5)]
    pages: list[list[object]] = []
    page: object = None
    while True:
        more = {} if page is None else {"page": page}
        body = sim.call("search_payments", query="amount:1000", limit=2, **more)
        pages.append([row["id"] for row in rows(body)])
        page = body["next_page"]
        assert body["has_more"] is (page is not None)
        if page is None:
            break
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    for wrong in ("nonsense", "aGVsbG8="):
        with pytest.raises(ProviderError) as caught:
            found(sim, "amount:1000", page=wrong)
        assert caught.value.param == "page"


def test_charges_are_searched_too(sim: SimulatedProvider) -> None:
    sim.controls.set_search_lag(0)
    payment = paid(sim)
    sim.controls.open_dispute(payment)
    paid(sim)
    body = sim.call("search_charges", query="disputed:true AND refunded:false")
    assert [row["id"] for row in rows(body)] == [charge_of(sim, payment)["id"]]
