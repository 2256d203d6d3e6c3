"""
Webhooks in any order, as often as they like, and a host that must not notice.

The provider promises no order, may deliver twice, and a worker may come between any two
webhooks. `check_permutations` tries what Hypothesis thinks of, and compares what the
host has made of it with what it makes of the order in which things happened. Needs
Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Literal, TypeAlias, TypeVar

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from paykit.testing.quiet import Shop, work_until_quiet
from paykit.webhooks import WebhookReceiver
from paykit.workers import Worker

__all__ = ["WORK", "Course", "check_permutations", "courses"]

S = TypeVar("S", bound=Shop)

WORK: Final = "work"
"""In a course: a worker does what is due."""

Course: TypeAlias = Sequence[int | Literal["work"]]
"""Which webhook comes when, by its number, and when a worker comes between."""


@st.composite
def courses(draw: st.DrawFn, webhooks: int) -> list[int | Literal["work"]]:
    """Any order of that many webhooks, each at least once, with work in between."""
    numbers = range(webhooks)
    again = draw(st.lists(st.sampled_from(numbers), max_size=webhooks))
    order = draw(st.permutations([*numbers, *again]))
    works = draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    course: list[int | Literal["work"]] = []
    for number, then_work in zip(order, works, strict=True):
        course += [number, WORK] if then_work else [number]
    return course


def check_permutations(
    open_shop: Callable[[], AbstractContextManager[S]],
    scenario: Callable[[S], object],
    outcome: Callable[[S], object],
    *,
    examples: int = 30,
) -> int:
    """
    Check that `outcome` does not depend on the order of webhooks; return their number.

    `open_shop` makes a fresh shop with the host's handlers. `scenario` makes payments
    there and lets payers and banks act on the provider; it has to do the same each
    time. Its webhooks are then delivered, first as they happened, then in other courses
    and with repetitions, until there is nothing left to do. `outcome` returns what the
    host has made of it: anything that can be compared. Raises `AssertionError` with
    both outcomes; its notes tell the course. Courses are not made shorter: to try
    hundreds of them takes minutes.
    """
    events, expected = _in_order(open_shop, scenario, outcome)
    if not events:
        raise ValueError("the scenario has no webhooks: there is nothing to permute")

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    @given(courses(len(events)))
    def try_course(course: Course) -> None:
        note(f"webhooks: {list(enumerate(events))}")
        with open_shop() as shop:
            scenario(shop)
            _follow(shop, course, events)
            found = outcome(shop)
            told = f"{found!r}, and {expected!r} as it happened"
            assert found == expected, f"the order of webhooks decides: {told}"

    try_course()
    return len(events)


def _in_order(
    open_shop: Callable[[], AbstractContextManager[S]],
    scenario: Callable[[S], object],
    outcome: Callable[[S], object],
) -> tuple[list[str], object]:
    """Return the types of the webhooks, and what the host makes of them in order."""
    with open_shop() as shop:
        scenario(shop)
        events = [event.type for event in shop.provider.events(undelivered=True)]
        _follow(shop, range(len(events)), events)
        return events, outcome(shop)


def _follow(shop: Shop, course: Course, events: Sequence[str]) -> None:
    """Deliver the shop's webhooks in that course, and do all work."""
    found = [event.type for event in shop.provider.events(undelivered=True)]
    if found != list(events):
        raise ValueError(f"the scenario does something else each time: {found}")
    webhooks = shop.provider.pending_webhooks()
    receiver, worker = WebhookReceiver(shop.service), Worker(shop.service)
    for step in course:
        if isinstance(step, int):
            told = receiver.receive(*webhooks[step])
            assert told.status == 200, f"a webhook was refused: {told.reason}"
        else:
            worker.run_once()
    work_until_quiet(shop)
