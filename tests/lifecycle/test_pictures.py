"""The documentation shows what the tables say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from paykit.lifecycle import (
    DISPUTE,
    PAYMENT,
    PAYOUT,
    REFUND,
    SUBSCRIPTION,
    By,
    Lifecycle,
)
from paykit.lifecycle.diagram import mermaid
from tests.lifecycle.pictures import PAGE, page

each = pytest.mark.parametrize(
    "lifecycle",
    [PAYMENT, REFUND, DISPUTE, PAYOUT, SUBSCRIPTION],
    ids=lambda one: one.name,
)

ARROW = re.compile(r"^    (\w+) --> (\w+): («?)(\w+)»?$", re.MULTILINE)


@each
def test_the_picture_draws_every_transition_and_no_other(
    lifecycle: Lifecycle[Any, Any],
) -> None:
    drawn = ARROW.findall(mermaid(lifecycle))
    assert drawn == [
        (row.source, row.target, "«" if row.by is By.COMMAND else "", row.event)
        for row in lifecycle.transitions
    ]


@each
def test_the_picture_shows_where_it_begins_and_where_it_ends(
    lifecycle: Lifecycle[Any, Any],
) -> None:
    picture = mermaid(lifecycle)
    assert picture.startswith("stateDiagram-v2\n")
    assert f"    [*] --> {lifecycle.initial}\n" in picture
    ends = set(re.findall(r"^    (\w+) --> \[\*\]$", picture, re.MULTILINE))
    assert ends == {state.value for state in lifecycle.final}


def test_the_page_in_the_documentation_is_up_to_date() -> None:
    again = "run `python -m tests.lifecycle.pictures`"
    assert PAGE.read_text("utf-8") == page(), again
