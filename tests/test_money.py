"""Money is integers as the PSP counts them, and nothing else gets in."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from operator import add, ge, gt, le, lt, sub

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paykit.errors import InvalidMoney
from paykit.money import CURRENCIES, Currency, Money, chargeable

LARGEST_CHARGE = 999_999_999_999
LARGEST_STORED = 2**63 - 1

# Written down a second time, and in another form, so that a slip in one is seen.
ZERO_DECIMAL = {
    *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
    *("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
}
WHOLE_UNITS_OF_TWO_DECIMALS = {"ISK", "UGX"}
THREE_DECIMAL = {"BHD", "JOD", "KWD", "OMR", "TND"}

codes = st.sampled_from(sorted(CURRENCIES))
minors = st.integers(0, LARGEST_STORED)
monies = st.builds(Money, minors, codes)


def expected(code: str) -> Currency:
    upper = code.upper()
    if upper in ZERO_DECIMAL:
        return Currency(code, 0, 1)
    if upper in WHOLE_UNITS_OF_TWO_DECIMALS:
        return Currency(code, 2, 100)
    return Currency(code, 3, 10) if upper in THREE_DECIMAL else Currency(code, 2, 1)


class TestCurrencies:
    @pytest.mark.parametrize("code", sorted(CURRENCIES))
    def test_every_currency_counts_as_stripe_counts(self, code: str) -> None:
        assert CURRENCIES[code] == expected(code)

    @pytest.mark.parametrize("code", sorted(CURRENCIES))
    def test_one_major_unit_of_every_currency_can_be_charged(self, code: str) -> None:
        one = Money.from_decimal("1", code)

        assert one.minor == 10 ** expected(code).exponent
        assert chargeable(one) is one

    def test_every_special_currency_is_there(self) -> None:
        special = ZERO_DECIMAL | WHOLE_UNITS_OF_TWO_DECIMALS | THREE_DECIMAL

        assert {code.lower() for code in special} <= set(CURRENCIES)

    def test_codes_are_three_lower_case_letters(self) -> None:
        assert len(CURRENCIES) >= 135
        assert all(len(code) == 3 and code.islower() for code in CURRENCIES)

    @pytest.mark.parametrize(
        ("minor", "code", "text"),
        [
            (500, "jpy", "500 JPY"),
            (1050, "eur", "10.50 EUR"),
            (10_500, "kwd", "10.500 KWD"),
            (500, "isk", "5.00 ISK"),  # ISO 4217 would say 500 krónur
            (500, "ugx", "5.00 UGX"),
            (500, "huf", "5.00 HUF"),
            (500, "mga", "500 MGA"),  # ISO 4217 has two decimals
            (0, "usd", "0.00 USD"),
            (7, "usd", "0.07 USD"),
        ],
    )
    def test_an_amount_reads_as_people_write_it(
        self, minor: int, code: str, text: str
    ) -> None:
        assert str(Money(minor, code)) == text


class TestMoney:
    @pytest.mark.parametrize(
        "minor",
        [True, False, 10.0, 10.5, math.nan, Decimal(10), Fraction(10), "10", None],
    )
    def test_only_a_true_integer_is_an_amount(self, minor: object) -> None:
        with pytest.raises(InvalidMoney, match="an amount is an int") as caught:
            Money(minor, "usd")  # type: ignore[arg-type]

        assert caught.value.field == "amount"

    @pytest.mark.parametrize("minor", [-1, LARGEST_STORED + 1])
    def test_an_amount_fits_into_a_column_and_is_not_negative(self, minor: int) -> None:
        with pytest.raises(InvalidMoney):
            Money(minor, "usd")

    def test_a_code_is_kept_in_lower_case(self) -> None:
        assert Money(1, "USD") == Money(1, "usd")
        assert Money(1, "Usd").currency == "usd"

    @pytest.mark.parametrize(
        "currency",
        [
            "",
            "us",
            "usdx",
            "xxx",
            "btc",
            " usd",
            "usd ",
            "u\u017fd",
            "\u212arw",  # the Kelvin sign; its lower case is a plain k
            "\uff35\uff33\uff24",
        ],
    )
    def test_a_currency_that_stripe_does_not_know_is_refused(
        self, currency: str
    ) -> None:
        with pytest.raises(InvalidMoney, match="unknown currency") as caught:
            Money(1, currency)

        assert caught.value.field == "currency"

    @pytest.mark.parametrize("currency", [None, 840, b"usd"])
    def test_a_currency_is_text(self, currency: object) -> None:
        with pytest.raises(InvalidMoney, match="a currency is a str"):
            Money(1, currency)  # type: ignore[arg-type]

    def test_what_is_no_code_is_not_repeated_in_the_error(self) -> None:
        with pytest.raises(InvalidMoney) as caught:
            Money(1, "4242424242424242")

        assert "4242" not in str(caught.value)

    def test_it_cannot_be_changed_and_can_be_a_key(self) -> None:
        money = Money(1, "usd")

        with pytest.raises(AttributeError):
            money.minor = 2  # type: ignore[misc]
        assert {money: "one"}[Money(1, "usd")] == "one"


class TestChargeable:
    @pytest.mark.parametrize(
        "money",
        [
            Money(0, "usd"),
            Money(LARGEST_CHARGE + 1, "usd"),
            Money(101, "isk"),
            Money(150, "ugx"),
            Money(1, "kwd"),
            Money(10_005, "bhd"),
        ],
        ids=str,
    )
    def test_what_stripe_never_takes_is_refused(self, money: Money) -> None:
        with pytest.raises(InvalidMoney):
            chargeable(money)

    @given(money=monies)
    def test_it_takes_multiples_of_the_step_within_twelve_digits(
        self, money: Money
    ) -> None:
        fits = 0 < money.minor <= LARGEST_CHARGE
        divides = money.minor % expected(money.currency).step == 0

        if fits and divides:
            assert chargeable(money) is money
        else:
            with pytest.raises(InvalidMoney):
                chargeable(money)

    @given(units=st.integers(1, 10**9), code=codes)
    def test_a_multiple_of_the_step_is_taken(self, units: int, code: str) -> None:
        money = Money(units * expected(code).step, code)

        assert chargeable(money) is money

    def test_the_largest_amount_is_taken(self) -> None:
        assert chargeable(Money(LARGEST_CHARGE, "usd")).minor == LARGEST_CHARGE


class TestDecimals:
    @given(money=monies)
    def test_decimal_and_back_is_the_same_money(self, money: Money) -> None:
        assert Money.from_decimal(money.decimal, money.currency) == money
        assert Money.from_decimal(str(money).split()[0], money.currency) == money

    @pytest.mark.parametrize(
        ("text", "code", "minor"),
        [
            ("10.50", "usd", 1050),
            ("10.5", "usd", 1050),
            ("10.500", "usd", 1050),
            ("10", "usd", 1000),
            ("0.07", "USD", 7),
            ("007", "usd", 700),
            ("500", "jpy", 500),
            ("500.0", "jpy", 500),
            ("1.234", "kwd", 1234),
        ],
    )
    def test_a_plain_decimal_is_read_exactly(
        self, text: str, code: str, minor: int
    ) -> None:
        assert Money.from_decimal(text, code).minor == minor
        assert Money.from_decimal(Decimal(text), code).minor == minor

    @pytest.mark.parametrize(
        ("text", "code"), [("10.005", "usd"), ("0.1", "jpy"), ("0.001", "isk")]
    )
    def test_what_the_currency_cannot_express_is_not_rounded(
        self, text: str, code: str
    ) -> None:
        with pytest.raises(InvalidMoney, match="decimal places"):
            Money.from_decimal(text, code)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "+1",
            "-1",
            "1e3",
            "1,000",
            "1_000",
            "1 000",
            " 1",
            "1\n",
            ".5",
            "5.",
            "1.2.3",
            "NaN",
            "inf",
            "0x10",
            "\u0661\u0660",
        ],
    )
    def test_only_digits_and_a_point_are_read(self, text: str) -> None:
        with pytest.raises(InvalidMoney, match="plain decimal"):
            Money.from_decimal(text, "usd")

    @pytest.mark.parametrize(
        "number", [Decimal("-1"), Decimal("NaN"), Decimal("Infinity"), Decimal("1E+9")]
    )
    def test_a_decimal_that_is_no_plain_amount_is_refused(
        self, number: Decimal
    ) -> None:
        with pytest.raises(InvalidMoney, match="plain decimal"):
            Money.from_decimal(number, "usd")

    @pytest.mark.parametrize("number", [10.5, 10, True, None])
    def test_floats_and_other_numbers_are_refused(self, number: object) -> None:
        with pytest.raises(InvalidMoney, match="a decimal amount is a str"):
            Money.from_decimal(number, "usd")  # type: ignore[arg-type]


class TestArithmetic:
    @given(left=minors, right=minors, code=codes)
    def test_adding_and_taking_away_again_changes_nothing(
        self, left: int, right: int, code: str
    ) -> None:
        assume(left + right <= LARGEST_STORED)

        total = Money(left, code) + Money(right, code)

        assert total.minor == left + right
        assert total - Money(right, code) == Money(left, code)

    def test_it_never_goes_below_zero(self) -> None:
        assert Money(5, "usd") - Money(5, "usd") == Money.zero("usd")
        with pytest.raises(InvalidMoney, match="more than"):
            Money(5, "usd") - Money(6, "usd")

    @pytest.mark.parametrize("operation", [add, sub, lt, le, gt, ge])
    @pytest.mark.parametrize("other", [Money(1, "eur"), 1, 1.0, None])
    def test_currencies_and_numbers_do_not_mix(
        self, operation: type, other: object
    ) -> None:
        with pytest.raises(InvalidMoney, match="do not mix"):
            operation(Money(2, "usd"), other)

    @given(left=minors, right=minors, code=codes)
    def test_it_is_ordered_by_amount(self, left: int, right: int, code: str) -> None:
        one, two = Money(left, code), Money(right, code)

        assert (one < two, one <= two) == (left < right, left <= right)
        assert (one > two, one >= two) == (left > right, left >= right)

    def test_equal_amounts_of_two_currencies_differ(self) -> None:
        assert Money(1, "usd") != Money(1, "eur")


class TestSplit:
    @given(
        money=monies,
        weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any),
    )
    def test_no_minor_unit_is_lost_or_made(
        self, money: Money, weights: list[int]
    ) -> None:
        shares = money.split(weights)

        assert sum((share.minor for share in shares), 0) == money.minor
        assert len(shares) == len(weights)
        assert {share.currency for share in shares} == {money.currency}

    @given(
        money=monies,
        weights=st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any),
    )
    def test_a_share_is_less_than_one_unit_from_its_exact_part(
        self, money: Money, weights: list[int]
    ) -> None:
        unit = expected(money.currency).step

        for share, weight in zip(money.split(weights), weights, strict=True):
            exact = Fraction(money.minor * weight, sum(weights))
            assert abs(share.minor - exact) < unit

    @given(units=st.integers(1, 10**6), code=codes, parts=st.integers(1, 9))
    def test_shares_of_a_chargeable_amount_are_chargeable(
        self, units: int, code: str, parts: int
    ) -> None:
        money = chargeable(Money(units * expected(code).step, code))

        for share in money.split([1] * parts):
            assert share.minor == 0 or chargeable(share) is share

    def test_what_does_not_divide_goes_to_the_first_of_equals(self) -> None:
        assert [share.minor for share in Money(100, "usd").split([1, 1, 1])] == [
            34,
            33,
            33,
        ]

    def test_what_does_not_divide_goes_to_the_largest_remainder(self) -> None:
        shares = Money(10, "usd").split([1, 1, 4])  # 1.67, 1.67, 6.67

        assert [share.minor for share in shares] == [2, 2, 6]

    def test_a_weight_of_zero_gets_nothing(self) -> None:
        assert [share.minor for share in Money(5, "usd").split([0, 1, 0])] == [0, 5, 0]

    @pytest.mark.parametrize(
        "weights", [[], [0], [0, 0], [1, -1], [1.0], [True], ["1"]], ids=str
    )
    def test_weights_that_share_nothing_out_are_refused(
        self, weights: list[int]
    ) -> None:
        with pytest.raises(InvalidMoney, match="weight"):
            Money(5, "usd").split(weights)
