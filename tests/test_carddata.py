"""No card number gets in, and none gets out in a log line."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paykit.carddata import redact, refuse_card_numbers
from paykit.errors import CardDataRefused

VISA = "4242424242424242"

# One for each network and length; most are the PSP's published test numbers.
CARDS = [
    VISA,
    "4222222222222",  # Visa, 13 digits
    "5555555555554444",  # Mastercard
    "2223003122003222",  # Mastercard, 2 series
    "378282246310005",  # American Express
    "6011111111111117",  # Discover
    "3056930009020004",  # Diners Club
    "36227206271667",  # Diners Club, 14 digits
    "3566002020360505",  # JCB
    "6200000000000005",  # UnionPay
    "6205500000000000004",  # UnionPay, 19 digits
    "135410014004955",  # UATP
    "2200700000000009",  # Mir
    "8600000000000007",  # Uzcard
    "9704000000000000008",  # Napas, 19 digits
    "9792000000000003",  # Troy
]

HIDING_PLACES = [
    "{}",
    "card {}",
    "card:{}.",
    "({})",
    '{{"note": "{}"}}',
    "pan={}&cvc=123",
    "pan_{}",
    "order 12 {}",
    "{} 12/34",
    "12 34 {} 567",
    "müller\n{}\n",
    "550e8400-e29b-41d4-a716-446655440000 {}",
]

HARMLESS = [
    "",
    "order 1001",
    "4242424242424241",  # wrong check digit
    "424242424242",  # too short
    "42424242424242424242",  # too long
    f"x{VISA}",
    f"{VISA}x",
    f"pay_a{VISA}",
    f"0.{VISA}",  # a fraction
    "1732171234567",  # Unix time in milliseconds, passes Luhn
    "1732171234567008",  # in microseconds, passes Luhn
    "20261121063915",  # a date and time, passes Luhn
    "9780000000008",  # a book's number, passes Luhn
    "2026-11-21 06:39:12",
    "0000000000000000",
    "a3bb189e8bf9388899124242424242424242",
    "42424242-4242-4242-8111-111111111111",  # a UUID of digits
    "+49 30 901820",
    "4242 4242\n4242 4242",  # two lines of a table
]


def _passes_luhn(digits: str) -> bool:
    """The check as the textbook writes it, for the tests' own data."""
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    total = sum(int(digit) for digit in digits[::-2])
    return (total + sum(sum(divmod(value, 10)) for value in doubled)) % 10 == 0


def _in_groups(card: str, size: int, separator: str) -> str:
    return separator.join(card[at : at + size] for at in range(0, len(card), size))


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("place", HIDING_PLACES)
def test_a_card_number_is_refused_wherever_it_stands(card: str, place: str) -> None:
    with pytest.raises(CardDataRefused) as caught:
        refuse_card_numbers(place.format(card), "description")
    assert caught.value.field == "description"


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("separator", [" ", "-", " - ", "\u00a0", "\u2013"])
@pytest.mark.parametrize("size", [1, 4])
def test_a_card_number_in_groups_is_refused(
    card: str, separator: str, size: int
) -> None:
    with pytest.raises(CardDataRefused):
        refuse_card_numbers(_in_groups(card, size, separator), "description")


def test_american_express_grouping_is_refused() -> None:
    with pytest.raises(CardDataRefused):
        refuse_card_numbers("3782 822463 10005", "description")


def test_digits_of_other_scripts_are_refused() -> None:
    fullwidth = "".join(chr(0xFF10 + int(digit)) for digit in VISA)
    with pytest.raises(CardDataRefused):
        refuse_card_numbers(fullwidth, "description")


def test_the_error_does_not_repeat_the_number() -> None:
    with pytest.raises(CardDataRefused) as caught:
        refuse_card_numbers(f"call me, {VISA}", f"metadata.{VISA}")
    for text in (str(caught.value), repr(caught.value), caught.value.field or ""):
        assert VISA not in text
        assert "call me" not in text


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_card_number_passes(text: str) -> None:
    refuse_card_numbers(text, "description")
    assert redact(text) == text


def test_the_harmless_numbers_prove_something() -> None:
    numbers = ["1732171234567", "1732171234567008", "20261121063915", "9780000000008"]
    assert all(_passes_luhn(number) for number in numbers)
    assert set(numbers) <= set(HARMLESS)


@given(st.uuids())
def test_uuids_pass(value: uuid.UUID) -> None:
    refuse_card_numbers(str(value), "reference")
    refuse_card_numbers(f"pay_{value}", "reference")


@given(st.text(), st.sampled_from(CARDS), st.text())
def test_no_card_number_survives_redaction(before: str, card: str, after: str) -> None:
    text = f"{before} {card}\n{after}"
    masked = redact(text)
    refuse_card_numbers(masked, "log")
    assert redact(masked) == masked


def test_redaction_masks_only_the_card_number() -> None:
    text = f"paid 10.50 EUR with {VISA}, then 5555 5555 5555 4444."
    masked = "paid 10.50 EUR with [card number], then [card number]."
    assert redact(text) == masked


@pytest.mark.parametrize(
    ("secret", "masked"),
    [
        ("sk_live_51Habc", "sk_live_[redacted]"),
        ("sk_test_51Habc", "sk_test_[redacted]"),
        ("rk_live_51Habc", "rk_live_[redacted]"),
        ("rk_test_51Habc", "rk_test_[redacted]"),
        ("whsec_abc+/def=", "whsec_[redacted]"),
        ("pi_3Nabc_secret_xyz", "pi_3Nabc_secret_[redacted]"),
        ("seti_1Nabc_secret_xyz", "seti_1Nabc_secret_[redacted]"),
        ("cs_test_a1b2_secret_xyz", "cs_test_a1b2_secret_[redacted]"),
    ],
)
@pytest.mark.parametrize("place", ["{}", "key={};", '{{"key": "{}"}}', "Bearer {}\n"])
def test_secrets_are_masked(secret: str, masked: str, place: str) -> None:
    assert redact(place.format(secret)) == place.format(masked)


@pytest.mark.parametrize("text", ["pk_live_51Habc", "pi_3Nabc", "task_live_1", "a_b_c"])
def test_public_names_are_shown(text: str) -> None:
    assert redact(text) == text
