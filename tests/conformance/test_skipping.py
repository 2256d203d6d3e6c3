"""What the conformance suite leaves out, and what it says about that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest

from tests.conformance import modest_adapters
from tests.conformance.running import report_on


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> ElementTree.Element:
    report = tmp_path_factory.mktemp("modest") / "report.xml"
    return report_on(modest_adapters, report)


def _cases(ran: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    every = ran.iter("testcase")
    return [case for case in every if case.get("classname", "").endswith(f".{name}")]


def _skipped(cases: list[ElementTree.Element]) -> Mapping[str, set[str]]:
    """Return the tests that were left out, by the reason."""
    found: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        for skipped in case.iter("skipped"):
            test = case.get("name", "").partition("[")[0]
            found[skipped.get("message", "")].add(test)
    return found


def _failed(cases: list[ElementTree.Element]) -> list[str]:
    return [
        case.get("name", "")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]


def test_what_was_not_given_is_left_out_with_its_reason(
    ran: ElementTree.Element,
) -> None:
    cases = _cases(ran, "TestBarelyDescribed")
    assert not _failed(cases)
    skipped = _skipped(cases)
    assert {reason.partition(":")[0] for reason in skipped} == {
        "no `answer_with` fixture",
        "no `challenged_method` was given",
        "no `declined_method` was given",
        "no `foreign_webhook` fixture",
        "no `lose_answer` fixture",
        "no `other_amounts` were given",
        "no `page_size` was given",
        "no `payout` fixture",
        "no `raise_declined_method` was given",
        "no `refuse_connections` fixture",
        "no `slow_method` was given",
        "no `subscription` fixture",
        "no `webhook` fixture",
    }
    assert len(cases) - sum(map(len, skipped.values())) > 50


def test_what_the_provider_cannot_do_is_left_out_with_its_reason(
    ran: ElementTree.Element,
) -> None:
    cases = _cases(ran, "TestIncapable")
    assert not _failed(cases)
    reasons = [r for r in _skipped(cases) if r.startswith("the adapter offers no")]
    assert [reason.partition(": Capabilities(")[0] for reason in sorted(reasons)] == [
        "the adapter offers no capture in parts",
        "the adapter offers no change of a payment",
        "the adapter offers no list of events",
        "the adapter offers no manual capture",
        "the adapter offers no partial refund",
        "the adapter offers no raising of an authorization",
        "the adapter offers no search for payments",
    ]
    left_out = {test for reason in reasons for test in _skipped(cases)[reason]}
    assert "test_capture_after_cancel_is_a_conflict" in left_out
    assert "test_two_partial_refunds_are_two_refunds" in left_out
    assert "test_a_full_refund_gives_everything_back" not in left_out


def test_no_test_runs_with_real_money(ran: ElementTree.Element) -> None:
    cases = _cases(ran, "TestLive")
    refused = [
        case
        for case in cases
        if any("live mode" in e.get("message", "") for e in case.iter("error"))
    ]
    assert len(refused) > 40
    unguarded = {"webhook", "unreadable", "name_for_the_binding", "unknown_words"}
    for case in cases:
        if case not in refused:
            assert any(word in case.get("name", "") for word in unguarded)
