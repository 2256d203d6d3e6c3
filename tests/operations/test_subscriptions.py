"""Subscriptions begin at the PSP and are moved there: recorded, and only read here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from paykit import (
    EventView,
    InvalidRequest,
    NotFound,
    PaymentService,
    SubscriptionState,
    WebhookReceiver,
    Worker,
)
from paykit.engine import commit
from paykit.operations.apply_event import apply_event
from paykit.operations.observe_subscription import follow_subscription
from paykit.operations.verdicts import Heard, Needs, Read, ReadOne, Reads, Verdict
from paykit.psp import (
    InvoiceSnapshot,
    InvoiceStatus,
    Named,
    PspEvent,
    ReadInvoice,
    ReadSubscription,
    Subject,
    SubscriptionSnapshot,
    SubscriptionStatus,
)
from paykit.store.subscriptions import SUBSCRIPTIONS, SubscriptionRow
from paykit.store.tx import Tx
from paykit.testing.simulated import SimEvent
from paykit.testing.simulated.read_billing import read_subscription
from paykit.workers.inbox import DEFERRALS
from tests.barriers.crowd import crowd
from tests.databases import Database
from tests.failures.stories import arrive, body_of, events_of, inbox_ends
from tests.operations.subscribing import (
    MONTH,
    OURS,
    at_psp,
    fresh_events,
    hear,
    history,
    only_named,
    reads,
    reasons,
    started,
    the,
    types,
)
from tests.support import Shop, open_shop

BINDING: Final = "simulated:default:test"


# -- the life of a subscription --------------------------------------------------------


def test_a_subscription_is_followed_from_its_start_to_its_end(shop: Shop) -> None:
    reference = started(shop)
    shop.settle()
    view = the(shop)
    assert (view.psp_reference, view.merchant) == (reference, "default")
    assert (view.state, view.metadata["order"]) == (SubscriptionState.ACTIVE, "17")
    until = view.current_period_end
    assert until is not None
    shop.world.advance(MONTH)
    shop.sim.controls.renew_subscription(reference)
    shop.settle()
    assert the(shop).current_period_end == until + MONTH
    shop.sim.controls.cancel_subscription(reference, at_period_end=True)
    shop.settle()
    planned = the(shop)
    assert (planned.state, planned.ended) == (SubscriptionState.ACTIVE, False)
    assert (planned.cancel_at_period_end, planned.cancel_at) == (True, until + MONTH)
    shop.world.advance(MONTH)
    shop.sim.controls.renew_subscription(reference)
    shop.settle()
    view = the(shop)
    assert (view.state, view.ended) == (SubscriptionState.CANCELED, True)
    assert view.ended_at is not None
    assert types(shop) == [
        "started",
        "incomplete",
        "active",
        "renewed",
        "updated",
        "ended",
    ]
    assert shop.breaks() == set()
    assert set(inbox_ends(shop).values()) <= {"applied", "ignored"}


def test_a_charge_that_fails_is_told_and_so_is_its_success(shop: Shop) -> None:
    reference = started(shop)
    shop.settle()
    shop.world.advance(MONTH)
    shop.sim.controls.fail_renewal(reference)
    shop.settle()
    view = the(shop)
    assert view.state is SubscriptionState.PAST_DUE
    assert view.latest_invoice is not None
    shop.sim.controls.pay_invoice(view.latest_invoice)
    shop.settle()
    assert the(shop).state is SubscriptionState.ACTIVE
    assert types(shop) == [
        *("started", "incomplete", "active"),
        *("renewed", "past_due", "active"),
    ]
    (row,) = [event for event in history(shop) if event.type.endswith("past_due")]
    assert (row.aggregate, row.payment_id) == ("subscription", None)
    assert (row.from_state, row.to_state) == ("active", "past_due")
    assert row.data["subscription_id"] == view.id
    assert (row.data["reference"], row.data["status"]) == (reference, "past_due")
    assert "customer" not in row.data
    assert "metadata" not in row.data


def test_a_subscription_that_nobody_ever_pays_expires(shop: Shop) -> None:
    reference = started(shop, paid=False)
    shop.settle()
    assert the(shop).state is SubscriptionState.INCOMPLETE
    shop.sim.controls.cancel_subscription(reference)
    shop.settle()
    assert the(shop).state is SubscriptionState.INCOMPLETE_EXPIRED
    assert types(shop) == ["started", "incomplete", "ended"]


def test_a_host_handles_what_happens_to_a_subscription(quick: Shop) -> None:
    heard: list[str] = []
    quick.service.on("subscription.*")(lambda event, _: heard.append(event.type))
    reference = started(quick)
    quick.settle()
    quick.sim.controls.cancel_subscription(reference)
    quick.settle()
    told = [f"subscription.{type_}" for type_ in types(quick)]
    assert heard == told
    assert told[-1] == "subscription.ended"


def test_a_status_that_nobody_knows_is_shown_and_changes_no_state(quick: Shop) -> None:
    started(quick)
    quick.settle()
    (event, *_) = events_of(quick, "customer.subscription.updated")
    body = body_of(quick, event)
    body["data"]["object"]["status"] = "hibernating"
    sim = quick.sim.call("read_subscription", the(quick).psp_reference)
    assert sim["status"] == "active"
    # Shown by an event alone it is only a reason to read.
    hear(quick, {**body, "id": "evt_word"})
    assert (the(quick).state, the(quick).raw_status) == ("active", "active")
    body["data"]["object"]["id"] = "sub_other"
    hear(quick, {**body, "id": "evt_first"})
    (view, _) = quick.wait(quick.service.list_subscriptions()).items
    assert (view.state, view.raw_status) == ("unrecognized", "hibernating")


def test_what_looks_like_a_card_number_is_not_kept(quick: Shop) -> None:
    quick.sim.controls.start_subscription({**OURS, "note": "4242 4242 4242 4242"})
    quick.settle()
    assert "4242 4242" not in str(the(quick).metadata)


@pytest.mark.parametrize("odd", ["a\0b", "\ud800"], ids=["nul", "half a character"])
def test_metadata_that_a_database_cannot_hold_stop_nothing(
    shop: Shop, odd: str
) -> None:
    """JSON has a text for both; PostgreSQL takes neither."""
    shop.sim.controls.start_subscription({**OURS, "note": odd, odd: "17"})
    shop.settle()
    assert the(shop).state is SubscriptionState.ACTIVE
    assert the(shop).metadata["order"] == "17"
    assert set(inbox_ends(shop).values()) <= {"applied", "ignored"}
    assert types(shop) == ["started", "incomplete", "active"], "and is not told again"


# -- whose it is -----------------------------------------------------------------------


def test_a_subscription_that_names_no_merchant_is_left_alone(quick: Shop) -> None:
    quick.sim.controls.start_subscription({"paykit_payment_id": "pay_1"})
    quick.settle()
    for delay in DEFERRALS:
        quick.wait_and_work(delay)
    assert quick.wait(quick.service.list_subscriptions()).items == ()
    assert set(inbox_ends(quick).values()) == {"ignored"}
    assert "foreign: a subscription whose metadata have no paykit_merchant" in reasons(
        quick
    )
    assert reads(quick) == 0


def test_a_subscription_is_followed_from_when_it_names_its_merchant(
    quick: Shop,
) -> None:
    reference = quick.sim.controls.start_subscription({})
    quick.settle()
    assert quick.wait(quick.service.list_subscriptions()).items == ()
    (event, *_) = events_of(quick, "customer.subscription.updated")
    body = body_of(quick, event)
    body["data"]["object"]["metadata"] = OURS
    hear(quick, {**body, "id": "evt_named"})
    assert the(quick).psp_reference == reference


@pytest.mark.parametrize("whose", [{}, {"paykit_merchant": "no such name"}], ids=str)
def test_an_end_that_named_nobody_counts_once_the_subscription_is_ours(
    quick: Shop, whose: dict[str, str]
) -> None:
    """Its metadata were changed before the end, and the first event comes last."""
    reference = started(quick)
    quick.sim.controls.cancel_subscription(reference)
    first, *_, end = [
        event for event in fresh_events(quick) if event.type.startswith("customer.")
    ]
    body = body_of(quick, end)
    body["data"]["object"]["metadata"] = whose
    hear(quick, body)
    for delay in DEFERRALS:
        quick.wait_and_work(delay)
    assert inbox_ends(quick) == {end.id: "ignored"}
    arrive(quick, [first])
    quick.work()
    assert the(quick).state is SubscriptionState.CANCELED
    assert inbox_ends(quick) == dict.fromkeys((end.id, first.id), "applied")


@pytest.mark.parametrize("name", ["", "no such name", "x" * 65])
def test_a_merchant_that_can_be_none_is_nobody(quick: Shop, name: str) -> None:
    quick.sim.controls.start_subscription({"paykit_merchant": name})
    quick.settle()
    assert quick.wait(quick.service.list_subscriptions()).items == ()
    assert "foreign: paykit_merchant names nobody who uses this account" in reasons(
        quick
    )


def test_one_merchant_does_not_see_anothers(quick: Shop) -> None:
    quick.sim.controls.start_subscription({"paykit_merchant": "north"})
    quick.settle()
    (north,) = quick.wait(quick.service.list_subscriptions(merchant="north")).items
    assert quick.wait(quick.service.list_subscriptions()).items == ()
    for read in ("get_subscription", "subscription_events"):
        with pytest.raises(NotFound):
            quick.wait(getattr(quick.service, read)(north.id))
    told = quick.wait(quick.service.subscription_events(north.id, merchant="north"))
    assert {event.merchant for event in told} == {"north"}


# -- reading them ----------------------------------------------------------------------


def test_subscriptions_are_listed_newest_first_page_by_page(shop: Shop) -> None:
    references = []
    for _ in range(3):
        references.append(started(shop))
        shop.settle()
    page = shop.wait(shop.service.list_subscriptions(limit=2))
    rest = shop.wait(shop.service.list_subscriptions(limit=2, after=page.next))
    found = [view.psp_reference for view in (*page.items, *rest.items)]
    assert (found, rest.next) == (references[::-1], None)
    by_reference = shop.service.list_subscriptions(psp_reference=references[0])
    (view,) = shop.wait(by_reference).items
    assert shop.wait(shop.service.get_subscription(view.id)) == view


def test_what_cannot_be_asked_for_is_refused(quick: Shop) -> None:
    for wrong in ({"limit": 0}, {"limit": 501}, {"psp_reference": ""}, {"after": ""}):
        with pytest.raises(InvalidRequest):
            quick.wait(quick.service.list_subscriptions(**wrong))
    for id_ in ("sub_none", "", "x" * 65):
        with pytest.raises((NotFound, InvalidRequest)):
            quick.wait(quick.service.get_subscription(id_))


# -- what events prove -----------------------------------------------------------------


def test_a_first_look_and_the_end_are_not_read_again(quick: Shop) -> None:
    reference = started(quick, paid=False)
    arrive(quick, events_of(quick, "customer.subscription.created"))
    assert reads(quick) == 0
    quick.sim.controls.cancel_subscription(reference)
    arrive(quick, events_of(quick, "customer.subscription.updated"))
    assert the(quick).ended
    assert reads(quick) == 0


def test_a_status_is_read_and_not_taken_from_the_payload(quick: Shop) -> None:
    started(quick)
    created, updated = events_of(
        quick, "customer.subscription.created", "customer.subscription.updated"
    )
    arrive(quick, [updated])
    assert the(quick).state is SubscriptionState.ACTIVE
    arrive(quick, [created])
    assert the(quick).state is SubscriptionState.ACTIVE
    assert reads(quick) == 1
    assert types(quick) == ["started", "active"]


def test_an_old_event_is_not_even_read_after_the_end(quick: Shop) -> None:
    reference = started(quick)
    quick.sim.controls.cancel_subscription(reference)
    *old, end = [
        event for event in fresh_events(quick) if event.type.startswith("customer.")
    ]
    arrive(quick, [end, *old])
    view = the(quick)
    assert view.ended
    assert types(quick) == ["started", "ended"]
    assert reads(quick) == 0


@pytest.mark.parametrize("thin", [True, False])
def test_a_subscription_that_is_only_named_is_read(quick: Shop, thin: bool) -> None:
    started(quick)
    (event,) = events_of(quick, "customer.subscription.created")
    hear(quick, only_named(quick, event, thin=thin))
    assert the(quick).state is SubscriptionState.ACTIVE
    assert reads(quick) == 1


def test_a_foreign_one_that_is_only_named_is_read_once(quick: Shop) -> None:
    quick.sim.controls.start_subscription({})
    (event,) = events_of(quick, "customer.subscription.created")
    hear(quick, {**body_of(quick, event), "api_version": "2019-01-01"})
    for delay in DEFERRALS:
        quick.wait_and_work(delay)
    assert reads(quick) == 1
    assert inbox_ends(quick) == {event.id: "ignored"}


ACTIVE: Final = SubscriptionSnapshot(
    reference="sub_1",
    status=SubscriptionStatus.ACTIVE,
    raw_status="active",
    customer="cus_1",
    cancel_at_period_end=False,
    cancel_at=None,
    canceled_at=None,
    ended_at=None,
    current_period_end=None,
    latest_invoice="in_1",
    metadata={"paykit_merchant": "default"},
)
PAST_DUE: Final = replace(
    ACTIVE, status=SubscriptionStatus.PAST_DUE, raw_status="past_due"
)


PAID: Final = InvoiceSnapshot(
    reference="in_1",
    subscription="sub_1",
    status=InvoiceStatus.PAID,
    raw_status="paid",
    billing_reason="subscription_cycle",
    amount_paid=1000,
    currency="eur",
    period_start=None,
    period_end=None,
    paid_at=None,
)


def follow(
    shop: Shop, subject: Subject, read: Subject = None, *, version: int | None = None
) -> Verdict | Needs:
    """Take in `subject`, with what was `read` while the row was at `version`."""
    request = ReadSubscription(subscription="sub_1")
    known: Reads = {} if read is None else {request: Read(read, version)}
    event = PspEvent(id="evt_1", type="customer.subscription.updated", subject=subject)
    heard = Heard(BINDING, event, known, "default", "webhook evt_1", lambda _: True)
    outcome: Verdict | Needs = shop.run(
        commit(lambda tx: follow_subscription(tx, heard, subject))
    )
    return outcome


def test_an_old_reading_is_overtaken_by_a_look_that_shows_nothing_new(
    quick: Shop,
) -> None:
    """
    It is past due and active again while the event of the first is being read.

    The second event shows what we have. Were that not noted, a reading from between the
    two would be written down as the newest.
    """
    assert follow(quick, ACTIVE) == Verdict("applied")
    asked = follow(quick, PAST_DUE)
    assert isinstance(asked, Needs)
    assert follow(quick, ACTIVE) == Verdict("applied")
    again = follow(quick, PAST_DUE, PAST_DUE, version=asked.version)
    assert isinstance(again, Needs)
    assert follow(quick, PAST_DUE, ACTIVE, version=again.version) == Verdict("applied")
    assert the(quick).state is SubscriptionState.ACTIVE
    assert types(quick) == ["started", "active"]


def test_the_same_goes_for_a_reading_that_shows_nothing_new(quick: Shop) -> None:
    follow(quick, ACTIVE)
    first, second = follow(quick, PAST_DUE), follow(quick, PAST_DUE)
    assert isinstance(first, Needs)
    assert isinstance(second, Needs)
    follow(quick, PAST_DUE, ACTIVE, version=second.version)
    late = follow(quick, PAST_DUE, PAST_DUE, version=first.version)
    assert isinstance(late, Needs)


@pytest.mark.parametrize(
    ("shown", "asked"),
    [
        (ACTIVE, ReadSubscription(subscription="sub_1")),
        (PAID, ReadInvoice(invoice="in_1")),
    ],
    ids=["subscription", "invoice"],
)
def test_what_an_adapter_shows_of_another_version_is_read(
    quick: Shop, shown: Subject, asked: ReadOne
) -> None:
    event = PspEvent(id="evt_1", type="a.type", subject=shown, current=False)

    def apply(tx: Tx) -> Verdict | Needs:
        known: dict[str, Any] = {"owner": "default", "serves": lambda _: True}
        return apply_event(tx, BINDING, event, {}, **known, cause="webhook evt_1")

    assert quick.run(commit(apply)) == Needs(asked, None)


def test_a_subscription_that_the_psp_does_not_know_is_an_error(quick: Shop) -> None:
    follow(quick, ACTIVE)
    asked = follow(quick, PAST_DUE)
    assert isinstance(asked, Needs)
    other = Named(kind="charge", reference="ch_1")
    with pytest.raises(LookupError, match="does not know"):
        follow(quick, PAST_DUE, other, version=asked.version)


def test_of_two_workers_that_hear_of_it_first_one_records_it(
    installed: Database,
) -> None:
    shop = open_shop(installed, "threads")
    values = {
        "merchant_id": "default",
        "binding": BINDING,
        "psp_reference": "sub_1",
        "raw_status": "active",
        "cancel_at_period_end": False,
        "metadata": {},
    }

    def adopt(id_: str) -> SubscriptionRow | None:
        return shop.run(
            commit(lambda tx: SUBSCRIPTIONS.adopt(tx, {**values, "id": id_}))
        )

    assert adopt("sub_first") is not None
    assert adopt("sub_second") is None
    assert the(shop).id == "sub_first"


def test_at_once_many_workers_record_it_once(installed: Database) -> None:
    with crowd(installed, 4) as servers:
        sim = servers.sim
        sim.controls.start_subscription({**OURS})
        webhooks = sim.pending_webhooks()

        def receive_and_work(number: int, service: PaymentService) -> None:
            receiver = WebhookReceiver(service)
            for webhook in webhooks[number::4]:
                assert receiver.receive(*webhook).status == 200
            Worker(service, only=["inbox"]).run_once()

        servers.at_once(receive_and_work)
        servers.settle()
        (view,) = servers.service.list_subscriptions().items
        assert view.state is SubscriptionState.ACTIVE
        told = servers.service.subscription_events(view.id)
        assert [event.sequence for event in told] == list(range(1, len(told) + 1))
        assert [event.type for event in told].count("subscription.started") == 1


# -- any order -------------------------------------------------------------------------


def _story(shop: Shop, *, ends: bool) -> tuple[str, list[SimEvent]]:
    """Let a subscription go in circles within one second; perhaps it ends."""
    controls = shop.sim.controls
    fresh_events(shop)
    reference = controls.start_subscription({**OURS})
    for _ in range(2):
        controls.fail_renewal(reference)
        controls.pay_invoice(str(at_psp(shop, reference)["latest_invoice"]))
    controls.cancel_subscription(reference, at_period_end=True)
    controls.keep_subscription(reference)
    if ends:
        controls.cancel_subscription(reference)
    return reference, fresh_events(shop)


@pytest.mark.parametrize("ends", [True, False])
@given(data=st.data())
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # All examples share one database: a story is not told twice in the same way.
    phases=[Phase.generate],
)
def test_any_order_of_events_ends_as_the_psp_shows_it(
    quick: Shop, ends: bool, data: st.DataObject
) -> None:
    reference, events = _story(quick, ends=ends)
    order = data.draw(st.permutations([*events, *events]))
    for event in order[: data.draw(st.integers(len(events), len(order)))]:
        quick.push(event)
        if data.draw(st.booleans()):
            quick.work()
    for event in events:
        quick.push(event)
    quick.wait_and_work(timedelta(0))
    quick.wait_and_work(DEFERRALS[0] * 2)
    found = quick.service.list_subscriptions(psp_reference=reference)
    (view,) = quick.wait(found).items
    shown = read_subscription(at_psp(quick, reference))
    assert view.state.value == shown.status.value
    for name in ("cancel_at_period_end", "current_period_end", "latest_invoice"):
        assert getattr(view, name) == getattr(shown, name)
    told = [e.type for e in quick.wait(quick.service.subscription_events(view.id))]
    assert told.count("subscription.started") == 1
    assert told.count("subscription.ended") == int(ends)
    assert quick.breaks() == set()
    assert set(inbox_ends(quick).values()) <= {"applied", "ignored"}


# -- events that nobody could deliver --------------------------------------------------


def test_a_parked_event_of_a_subscription_can_be_skipped(quick: Shop) -> None:
    @quick.service.on("subscription.started")
    def fail(event: EventView, session: object) -> None:
        raise ZeroDivisionError

    started(quick)
    quick.settle()
    for _ in range(20):
        quick.wait_and_work(timedelta(days=1))
    operator = quick.service.operator
    (parked,) = quick.wait(operator.parked()).items
    asked = {"actor": "jo", "reason": "not needed"}
    quick.wait(operator.skip(parked.event.id, **asked))
    assert types(quick)[-1] == "delivery.skipped"
