"""
The conformance suite finds what it is there to find.

A suite that nothing fails proves nothing: it runs on adapters that each break one
promise, and the tests that are named for the fault must fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree

import pytest

from tests.conformance import broken_adapters
from tests.conformance.broken_adapters import PLANTED
from tests.conformance.running import report_on

pytestmark = pytest.mark.slow

Failures = Mapping[str, frozenset[str]]
"""By fault: the tests that failed, with the ids of their parameters."""

FORGERY: Final = "test_a_webhook_that_is_not_genuine_is_signature_invalid"
FOREIGN: Final = "test_a_webhook_of_another_account_says_so"
FAILED: Final = "test_a_failure_of_the_provider_is_no_refusal"
FAILED_SEARCH: Final = "test_a_search_that_failed_has_found_nothing_out"
LOST: Final = frozenset(
    {
        "test_a_lost_answer_to_a_create_is_unknown_and_the_key_shows_one_payment",
        "test_a_lost_answer_to_a_charge_is_unknown_and_the_key_shows_one_charge",
        "test_a_lost_answer_to_a_capture_is_unknown_and_the_key_shows_one_capture",
        "test_a_lost_answer_to_a_refund_is_unknown_and_the_key_shows_one_refund",
        "test_a_lost_answer_to_a_read_is_unknown_too",
    }
)
SERVER_ERRORS: Final = frozenset(
    {f"{FAILED}[server_error]", f"{FAILED_SEARCH}[server_error]"}
)
REUSED: Final = frozenset(
    {
        "test_the_same_key_with_another_amount_never_acts",
        "test_the_same_key_for_another_payment_never_acts",
        "test_the_same_key_for_another_refund_never_acts",
    }
)

NAMED_FOR: Final[Mapping[str, frozenset[str]]] = {
    "invents keys": frozenset(
        {
            "test_every_write_demands_a_key",
            "test_a_stored_write_without_its_key_is_not_sent",
        }
    ),
    "gives reads a key": frozenset(
        {"test_writes_carry_their_key_and_reads_carry_none"}
    ),
    "misnames calls": frozenset({"test_a_call_names_its_verb"}),
    "stamps calls": frozenset(
        {
            "test_prepare_is_pure_and_equal_input_gives_equal_bytes",
            "test_prepare_does_not_depend_on_the_order_of_metadata",
        }
    ),
    "keeps calls in memory": frozenset(
        {
            "test_a_stored_call_sent_from_its_text_alone_is_the_same_request",
            "test_a_stored_call_can_be_sent_first_from_its_text",
        }
    ),
    "timeout is a decline": LOST | SERVER_ERRORS,
    "lost is not sent": LOST | SERVER_ERRORS,
    "server errors are refusals": SERVER_ERRORS,
    "rate limits are refusals": frozenset(
        {f"{FAILED}[rate_limit]", f"{FAILED_SEARCH}[rate_limit]"}
    ),
    "wrong keys are refusals": frozenset(
        {f"{FAILED}[unauthorized]", f"{FAILED_SEARCH}[unauthorized]"}
    ),
    "pending is success": frozenset({"test_what_the_bank_settles_later_is_pending"}),
    "goes through a float": frozenset({"test_no_minor_unit_is_lost"}),
    "counts yen in hundredths": frozenset(
        {"test_amounts_in_other_currencies_are_kept"}
    ),
    "finds on the first page": frozenset({"test_find_payment_looks_at_every_page"}),
    "lists end after a page": frozenset(
        {"test_the_list_of_events_goes_on_after_its_first_page"}
    ),
    "salts calls": frozenset({"test_another_process_prepares_the_same_bytes"}),
    "forgets the account": frozenset({f"{FOREIGN}[account]", f"{FOREIGN}[mode]"}),
    "not sent is unknown": frozenset(
        {
            "test_a_refused_connection_is_not_sent",
            "test_a_read_over_a_refused_connection_is_not_sent",
        }
    ),
    "reused key is success": REUSED,
    "trusts any time": frozenset({f"{FORGERY}[old]", f"{FORGERY}[future]"}),
    "trusts a webhook once": frozenset({"test_a_genuine_webhook_is_verified"}),
    "takes the unknown for paid": frozenset(
        {"test_unknown_words_of_the_provider_crash_nothing"}
    ),
    "challenge is success": frozenset(
        {"test_a_challenge_is_action_required_with_a_next_action"}
    ),
    "endpoints are unknown": frozenset({"test_webhook_endpoints_are_listed"}),
    "movements are only named": frozenset(
        {
            "test_a_payout_is_read_with_all_that_it_has_moved[paid]",
            "test_a_payout_is_read_with_all_that_it_has_moved[failed]",
        }
    ),
    "periods have no end": frozenset(
        {"test_a_subscription_is_read[active]", "test_a_subscription_is_read[canceled]"}
    ),
    "invoices are of nothing": frozenset(
        {
            "test_its_latest_invoice_names_it[active]",
            "test_its_latest_invoice_names_it[canceled]",
        }
    ),
}
"""The whole effect of a fault: these tests fail and no other one does."""

AMONG: Final[Mapping[str, frozenset[str]]] = {
    "acts twice": REUSED
    | {
        "test_same_key_creates_once_and_is_told_the_same",
        "test_same_key_charges_once_and_is_told_the_same",
        "test_same_key_captures_once_and_is_told_the_same",
        "test_same_key_refunds_once_and_is_told_the_same",
        "test_one_key_refunds_once",
        "test_same_key_sent_twice_at_once_acts_once",
        "test_same_key_changes_once_and_is_told_the_same",
    },
    "drops final": frozenset(
        {"test_a_part_that_is_not_final_keeps_the_rest_authorized"}
    ),
    "raises by the difference": frozenset(
        {"test_an_authorization_is_raised_to_the_new_total"}
    ),
    "forgets the new amount": frozenset({"test_an_unpaid_payment_gets_another_amount"}),
    "asks for more than it was told": frozenset(
        {"test_without_asking_for_it_a_payment_is_captured_once"}
    ),
    "crashes on headers": frozenset(
        {f"{FORGERY}[signature with an umlaut]", f"{FORGERY}[unsigned]"}
    ),
    "crashes on words": frozenset({"test_unknown_words_of_the_provider_crash_nothing"}),
    "conflict is unknown": frozenset({"test_capture_after_cancel_is_a_conflict"}),
    "decline is raised": frozenset({"test_a_decline_is_an_answer_with_a_code"}),
    "charges at once": frozenset(
        {"test_create_opens_an_unpaid_payment_and_keeps_what_it_was_given"}
    ),
    "captures everything": frozenset(
        {"test_a_partial_capture_takes_its_part_and_releases_the_rest"}
    ),
    "refunds what is left": frozenset({"test_a_refund_above_the_rest_is_refused"}),
    "absent is rejected": frozenset(
        {
            "test_find_payment_says_definitely_none",
            "test_find_refund_says_definitely_none",
        }
    ),
    "fees are taken off": frozenset({"test_balance_transactions_of_a_charge_add_up"}),
}
"""Faults that spoil more: these tests are among those that fail."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> ElementTree.Element:
    """The report of one run of the whole suite on every broken adapter."""
    report = tmp_path_factory.mktemp("planted") / "report.xml"
    return report_on(broken_adapters, report)


@pytest.fixture(scope="module")
def failures(ran: ElementTree.Element) -> Failures:
    """What failed, by fault."""
    failed: dict[str, set[str]] = {fault: set() for fault in PLANTED}
    for case in ran.iter("testcase"):
        assert case.find("error") is None, "the suite itself is broken"
        assert case.find("skipped") is None, "a test was left out"
        if case.find("failure") is not None:
            fault, test = _split(case.get("name", ""))
            failed[fault].add(test)
    return {fault: frozenset(tests) for fault, tests in failed.items()}


def _split(name: str) -> tuple[str, str]:
    """Return the fault in ``test[a-fault-b]`` and the name without it."""
    test, _, ids = name.removesuffix("]").partition("[")
    parts = ids.split("-")
    (fault,) = (part for part in parts if part in PLANTED)
    parts.remove(fault)
    return fault, f"{test}[{'-'.join(parts)}]" if parts else test


def test_a_sound_adapter_fails_nothing(failures: Failures) -> None:
    assert not failures["sound"]


def test_a_planted_fault_fails_the_tests_that_are_named_for_it(
    failures: Failures,
) -> None:
    assert {fault: failures[fault] for fault in NAMED_FOR} == NAMED_FOR
    missed = {fault: tests - failures[fault] for fault, tests in AMONG.items()}
    assert not any(missed.values()), missed


def test_no_planted_fault_goes_unnoticed(failures: Failures) -> None:
    assert [fault for fault, tests in failures.items() if not tests] == ["sound"]


def test_every_test_of_the_suite_can_fail(
    ran: ElementTree.Element, failures: Failures
) -> None:
    every = {_bare(case.get("name", "")) for case in ran.iter("testcase")}
    failed = {_bare(test) for tests in failures.values() for test in tests}
    assert len(every) > 60
    assert every == failed


def _bare(name: str) -> str:
    return re.sub(r"\[.*", "", name)
