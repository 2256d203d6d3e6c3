"""Alarms open and close by what is seen, and catching up proves no endpoint."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from paykit.engine.watching import Sight, WatchPolicy, judge
from paykit.psp import EndpointSnapshot
from paykit.store.alarms import AlarmKind
from paykit.testing.simulated import Fault
from tests.support import PATIENCE, Shop, open_shop
from tests.workers.rounds import EVERY, alarms, full_round, paid_elsewhere

POLICY: Final = WatchPolicy()
NOW: Final = datetime(2030, 1, 1, tzinfo=UTC)
FINE: Final = EndpointSnapshot(
    reference="we_1",
    url="https://shop.example/hook",
    enabled=True,
    unheard=(),
    api_version=None,
    current=True,
)
SIGHT: Final = Sight(
    now=NOW,
    listed_at=NOW,
    last_push=NOW,
    waiting=None,
    settled=("pay_1", "pay_2"),
    heard=("pay_1", "pay_2"),
    endpoints=(FINE,),
)
LONG_AGO: Final = NOW - POLICY.silence - timedelta(seconds=1)
DISABLED: Final = replace(FINE, reference="we_2", enabled=False)


def _verdict(kind: AlarmKind, **changed: Any) -> str | None:
    """Return the verdict on `kind`; ``stays`` if there is none."""
    policy = changed.pop("policy", POLICY)
    return judge(replace(SIGHT, **changed), policy).get(kind, "stays")


@pytest.mark.parametrize(
    ("kind", "changed", "text"),
    [
        (AlarmKind.SILENCE, {}, None),
        (AlarmKind.SILENCE, {"last_push": None}, "stays"),
        (AlarmKind.SILENCE, {"waiting": LONG_AGO}, "a webhook was last 2030"),
        (AlarmKind.UNHEARD, {}, None),
        (AlarmKind.UNHEARD, {"settled": ()}, "stays"),
        (AlarmKind.UNHEARD, {"settled": None}, "stays"),
        (AlarmKind.UNHEARD, {"heard": ("pay_1",)}, "about 1 of 2 payments, as pay_2"),
        (AlarmKind.ENDPOINT, {}, None),
        (AlarmKind.ENDPOINT, {"endpoints": None}, "stays"),
        (AlarmKind.ENDPOINT, {"endpoints": ()}, "stays"),
        (
            AlarmKind.ENDPOINT,
            {"endpoints": (), "waiting": LONG_AGO},
            "there is no endpoint",
        ),
        (AlarmKind.ENDPOINT, {"endpoints": (DISABLED,)}, "we_2 is disabled"),
        (AlarmKind.ENDPOINT, {"endpoints": (DISABLED, FINE)}, None),
        (
            AlarmKind.ENDPOINT,
            {"endpoints": (replace(FINE, unheard=("refund.failed",)),)},
            "we_1 does not hear refund.failed",
        ),
        (
            AlarmKind.ENDPOINT,
            {"endpoints": (replace(FINE, current=False, api_version="2019-01-01"),)},
            "we_1 has another API version, 2019-01-01",
        ),
        (
            AlarmKind.ENDPOINT,
            {"policy": WatchPolicy(webhook_url="https://shop.example/other")},
            "there is no endpoint https://shop.example/other",
        ),
        (
            AlarmKind.ENDPOINT,
            {
                "policy": WatchPolicy(webhook_url=FINE.url),
                "endpoints": (
                    replace(FINE, url="https://other.example"),
                    replace(FINE, enabled=False),
                ),
            },
            "we_1 is disabled",
        ),
        (AlarmKind.NOT_LISTED, {}, "stays"),
        (AlarmKind.NOT_LISTED, {"listed_at": None}, "stays"),
        (AlarmKind.NOT_LISTED, {"listed_at": LONG_AGO}, "was last read to its end"),
    ],
)
def test_each_alarm_is_judged_by_what_was_seen(
    kind: AlarmKind, changed: dict[str, Any], text: str | None
) -> None:
    verdict = _verdict(kind, **changed)
    assert verdict is None if text is None else text in (verdict or "")


def _heard_once(shop: Shop) -> None:
    """Let one payment be paid and told of, as on any good day."""
    shop.paid()
    assert set(shop.deliver()) == {200}
    full_round(shop)
    assert alarms(shop) == {}


def test_silence_is_told_and_ends_with_the_next_push(shop: Shop) -> None:
    _heard_once(shop)
    shop.world.advance(timedelta(minutes=1))
    shop.paid()
    full_round(shop, after=POLICY.silence + timedelta(minutes=1))
    assert {"silence", "unheard"} <= set(alarms(shop))
    shop.paid()
    shop.deliver()
    full_round(shop, after=EVERY)
    assert "silence" not in alarms(shop)


def test_where_no_payment_is_made_silence_is_right(quick: Shop) -> None:
    _heard_once(quick)
    quick.world.advance(timedelta(minutes=1))
    quick.create_payment()
    full_round(quick, after=POLICY.silence + EVERY)
    assert alarms(quick) == {}


def test_a_settled_payment_without_a_push_is_told_of_within_minutes(
    shop: Shop,
) -> None:
    payment_id = shop.paid()
    full_round(shop)
    full_round(shop, after=POLICY.unheard + EVERY)
    assert payment_id in alarms(shop)["unheard"]
    shop.paid()
    shop.deliver()
    full_round(shop, after=timedelta(hours=1, minutes=10))
    full_round(shop)
    assert "unheard" not in alarms(shop)


def test_what_is_listed_only_does_not_count_as_heard(quick: Shop) -> None:
    """Every event is here and applied, and yet no endpoint works."""
    payment_id = paid_elsewhere(quick)
    full_round(quick)
    assert quick.get(payment_id).paid
    full_round(quick, after=POLICY.unheard + EVERY)
    full_round(quick, after=POLICY.silence)
    assert {"silence", "unheard"} <= set(alarms(quick))


def test_webhooks_that_wait_for_a_worker_are_not_missed_ones(quick: Shop) -> None:
    """What they are about is known when they are applied."""
    quick.paid()
    quick.deliver()
    quick.world.advance(POLICY.unheard + EVERY)
    worker = type(quick.worker)(quick.service, only="periodic")  # type: ignore[arg-type]
    quick.wait(worker.run_once())
    assert quick.scalar("SELECT count(*) FROM paykit_inbox WHERE status='received'")
    assert alarms(quick) == {}


def test_hosts_whose_clocks_are_apart_raise_no_alarm(quick: Shop) -> None:
    """Who receives webhooks is some minutes behind who makes payments."""
    apart = timedelta(minutes=6)
    quick.create_payment()
    full_round(quick)
    quick.paid()
    quick.world.advance(-apart)
    assert set(quick.deliver()) == {200}
    quick.world.advance(apart)
    found = set[str]()
    for _ in range(2 * POLICY.silence // EVERY):
        full_round(quick, after=EVERY)
        found |= set(alarms(quick))
    assert found == set()


def test_what_others_do_in_the_account_hides_no_missing_webhook(quick: Shop) -> None:
    """Their events come all the time, and each is looked at again for half a day."""
    _heard_once(quick)
    quick.world.advance(timedelta(minutes=1))
    unheard = quick.paid()
    quick.sim.pending_webhooks()
    for _ in range(1 + POLICY.unheard // EVERY):
        quick.sim.call("create_payment", amount=500, currency="eur")
        assert quick.deliver() == [200]
        full_round(quick, after=EVERY)
    waits = "SELECT count(*) FROM paykit_inbox WHERE status = 'received'"
    assert quick.scalar(f"{waits} AND deferrals > 0")
    assert unheard in alarms(quick)["unheard"]


def test_a_disabled_endpoint_is_told_until_it_is_enabled(shop: Shop) -> None:
    endpoint = shop.sim.call(
        "create_webhook_endpoint", url="https://shop.example", enabled_events=["*"]
    )
    shop.paid()
    full_round(shop)
    assert "endpoint" not in alarms(shop)
    reference = str(endpoint["id"])
    shop.sim.call("update_webhook_endpoint", reference, disabled=True)
    full_round(shop, after=EVERY)
    assert alarms(shop)["endpoint"] == f"{reference} is disabled"
    shop.sim.call("update_webhook_endpoint", reference, disabled=False)
    full_round(shop, after=EVERY)
    assert "endpoint" not in alarms(shop)


def test_an_account_without_an_endpoint_is_told_when_one_is_missed(
    quick: Shop,
) -> None:
    quick.paid()
    full_round(quick)
    assert alarms(quick) == {}
    full_round(quick, after=POLICY.silence + EVERY)
    assert alarms(quick)["endpoint"] == "there is no endpoint"


def test_the_hosts_own_url_is_looked_for(quick: Shop) -> None:
    watch = WatchPolicy(webhook_url="https://shop.example/hook")
    mine = open_shop(
        quick.database,
        "threads",
        world=quick.world,
        sim=quick.sim,
        policy=replace(PATIENCE, watch=watch),
    )
    mine.sim.call(
        "create_webhook_endpoint", url="https://other.example", enabled_events=["*"]
    )
    mine.paid()
    full_round(mine)
    assert alarms(mine)["endpoint"] == "there is no endpoint https://shop.example/hook"


def test_a_list_that_cannot_be_read_for_long_is_told_until_it_can(
    quick: Shop,
) -> None:
    quick.paid()
    full_round(quick)
    quick.sim.faults.add(Fault.FORBIDDEN, verb="list_events", times=None)
    for _ in range(3):
        full_round(quick, after=POLICY.silence / 2)
    assert "not_listed" in alarms(quick)
    quick.sim.faults.clear()
    full_round(quick, after=timedelta(minutes=11))
    assert "not_listed" not in alarms(quick)


def test_a_key_that_may_not_read_endpoints_raises_no_alarm(quick: Shop) -> None:
    quick.paid()
    quick.sim.faults.add(Fault.FORBIDDEN, verb="list_webhook_endpoints", times=None)
    report = full_round(quick)
    assert "failed" not in report.done["periodic"]
    assert alarms(quick) == {}


def test_an_alarm_is_one_row_logged_when_it_opens_and_when_it_closes(
    quick: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="paykit.alarms")
    for _ in range(2):
        quick.paid()
        full_round(quick, after=POLICY.silence + EVERY)
        full_round(quick, after=EVERY)
        quick.paid()
        quick.deliver()
        for _ in range(2):
            full_round(quick, after=EVERY)
    told = [line for line in caplog.messages if line.startswith("alarm: silence")]
    assert [line.endswith("is over") for line in told] == [False, True, False, True]
    rows = quick.query("SELECT * FROM paykit_alarm WHERE kind = 'silence'")
    assert len(rows) == 1
