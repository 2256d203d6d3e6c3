"""No promise without a test, no test without a mutant, and a page that says so."""

from __future__ import annotations

from tests.failures.mutants import MUTANTS, number_of
from tests.failures.page import PAGE, page
from tests.failures.promises import PROMISES, numbered_tests


def test_every_failure_has_its_row() -> None:
    assert [promise.number for promise in PROMISES] == list(range(1, 48))


def test_every_promise_has_a_test_and_every_test_a_promise() -> None:
    assert set(numbered_tests()) == {promise.number for promise in PROMISES}


def test_every_promise_with_a_test_has_a_mutant_that_breaks_it() -> None:
    assert {number_of(mutant) for mutant in MUTANTS} == set(numbered_tests())


def test_the_page_says_what_is_tested() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.failures.page"
