"""Bad input is refused by name, before anything is written or sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest

from paykit import (
    CardDataRefused,
    InvalidMoney,
    InvalidRequest,
    Money,
    NotFound,
)
from tests.support import Shop

PAN: Final = "4242424242424242"
"""A card number; it must appear in no error and in no log."""

Bad = Callable[[Shop], object]


def _create(**fields: Any) -> Bad:
    return lambda shop: shop.create_payment(**fields)


def _money(*parts: Any) -> Bad:
    return lambda shop: shop.create_payment(amount=Money(*parts))


def _metadata(metadata: Any) -> Bad:
    return lambda shop: shop.create_payment(metadata=metadata)


AMOUNTS: Final[dict[str, Bad]] = {
    "unknown currency": _money(1000, "xxx"),
    "currency that is no text": _money(1000, 978),
    "currency with a homoglyph": _money(1000, "\u0435ur"),
    "zero": _money(0, "eur"),
    "negative": _money(-1, "eur"),
    "float": _money(10.5, "eur"),
    "whole float": _money(10.0, "eur"),
    "bool": _money(True, "eur"),
    "Decimal": _money(Decimal(10), "eur"),
    "text": _money("10", "eur"),
    "above twelve digits": _money(1_000_000_000_000, "eur"),
    "above 64 bits": _money(2**63, "eur"),
    "Icelandic aurar": _money(150, "isk"),
    "a fils": _money(1001, "kwd"),
    "bare number": _create(amount=1000),
    "pair": _create(amount=(1000, "eur")),
    "none": _create(amount=None),
}

TEXTS: Final[dict[str, Bad]] = {
    "empty key": _create(idempotency_key=""),
    "huge key": _create(idempotency_key="k" * 256),
    "key with a space": _create(idempotency_key="a b"),
    "key with a newline": _create(idempotency_key="key\n"),
    "key beyond ASCII": _create(idempotency_key="schlüssel"),
    "key with NUL": _create(idempotency_key="a\0b"),
    "key that is no text": _create(idempotency_key=7),
    "no key": _create(idempotency_key=None),
    "empty merchant": _create(merchant=""),
    "merchant with a colon": _create(merchant="a:b"),
    "merchant beyond ASCII": _create(merchant="händler"),
    "huge merchant": _create(merchant="m" * 65),
    "empty reference": _create(reference=""),
    "huge reference": _create(reference="r" * 256),
    "reference with NUL": _create(reference="a\0b"),
    "reference that is no text": _create(reference=42),
    "huge description": _create(description="d" * 501),
    "description with NUL": _create(description="a\0b"),
    "half a surrogate": _create(description="\ud83d"),
    "unknown way of capture": _create(capture="sometimes"),
    "too many metadata": _metadata({f"k{n}": "v" for n in range(41)}),
    "long metadata key": _metadata({"k" * 41: "v"}),
    "empty metadata key": _metadata({"": "v"}),
    "metadata key with a bracket": _metadata({"a[b]": "v"}),
    "our own metadata key": _metadata({"paykit_payment_id": "v"}),
    "long metadata value": _metadata({"k": "v" * 501}),
    "empty metadata value": _metadata({"k": ""}),
    "number in the metadata": _metadata({"k": 1}),
    "number as metadata key": _metadata({1: "v"}),
    "nested metadata": _metadata({"k": {"a": "b"}}),
    "metadata that is a text": _metadata("abc"),
    "metadata that is a number": _metadata(7),
    "metadata with NUL": _metadata({"k": "a\0b"}),
    "metadata key with NUL": _metadata({"a\0b": "v"}),
}

CARDS: Final[dict[str, Bad]] = {
    "key": _create(idempotency_key=PAN),
    "merchant": _create(merchant=PAN),
    "reference": _create(reference=f"card {PAN}"),
    "description": _create(description="4242 4242 4242 4242"),
    "description with dashes": _create(description="4242-4242-4242-4242"),
    "customer": _create(customer=PAN),
    "method": _create(payment_method=PAN),
    "metadata value": _metadata({"card": PAN}),
    "metadata key": _metadata({PAN: "card"}),
    "metadata key with a bad value": _metadata({PAN: 1}),
    "metadata key that is too long": _metadata({PAN + "x" * 40: "v"}),
    "way of capture": _create(capture=PAN),
    "payment": lambda shop: shop.confirm_payment(PAN),
    "payment to look up": lambda shop: shop.get(PAN),
    "refund reason": lambda shop: shop.refund_payment("pay_1", reason=PAN),
    "refund metadata": lambda shop: shop.refund_payment("pay_1", metadata={"a": PAN}),
    "return url": lambda shop: shop.confirm_payment(
        "pay_1", return_url=f"https://shop.example/{PAN}"
    ),
}

PAYMENTS: Final[dict[str, Bad]] = {
    "empty payment": lambda shop: shop.confirm_payment(""),
    "no payment": lambda shop: shop.confirm_payment(None),  # type: ignore[arg-type]
    "number": lambda shop: shop.cancel_payment(7),  # type: ignore[arg-type]
    "huge payment": lambda shop: shop.cancel_payment("p" * 65),
    "payment with NUL": lambda shop: shop.capture_payment("pay_\0"),
    "unknown refund reason": lambda shop: shop.refund_payment("pay_1", reason="mood"),
    "unknown cancel reason": lambda shop: shop.cancel_payment("pay_1", reason="mood"),
    "refund of a number": lambda shop: shop.refund_payment("pay_1", amount=5),
    "looking up nothing": lambda shop: shop.get(""),
    "looking up NUL": lambda shop: shop.get("pay_\0"),
    "listing NUL": lambda shop: shop.wait(shop.service.list_refunds("pay_\0")),
    "refreshing NUL": lambda shop: shop.refresh("pay_\0"),
    "unknown state": lambda shop: shop.wait(
        shop.service.list_payments(state="paid")  # type: ignore[arg-type]
    ),
    "reference with NUL": lambda shop: shop.wait(
        shop.service.list_payments(reference="a\0b")
    ),
    "page of none": lambda shop: shop.wait(shop.service.list_payments(limit=0)),
    "page of too many": lambda shop: shop.wait(shop.service.list_payments(limit=501)),
    "page of half": lambda shop: shop.wait(
        shop.service.list_payments(limit=1.5)  # type: ignore[arg-type]
    ),
    "merchant to list": lambda shop: shop.wait(
        shop.service.list_payments(merchant="a b")
    ),
}

UNKNOWN: Final[dict[str, Bad]] = {
    "confirm": lambda shop: shop.confirm_payment("pay_none"),
    "capture": lambda shop: shop.capture_payment("pay_none"),
    "cancel": lambda shop: shop.cancel_payment("pay_none"),
    "refund": lambda shop: shop.refund_payment("pay_none"),
    "get": lambda shop: shop.get("pay_none"),
    "refresh": lambda shop: shop.refresh("pay_none"),
    "list refunds": lambda shop: shop.refunds("pay_none"),
    "list after": lambda shop: shop.wait(shop.service.list_payments(after="pay_none")),
}


def _assert_refused(
    shop: Shop, cases: dict[str, Bad], error: type[Exception]
) -> list[tuple[str, str]]:
    """Try every case; return what went wrong, and nothing if all were refused well."""
    counts, sent = shop.counts(), len(shop.watch.sent)
    wrong: list[tuple[str, str]] = []
    for name, bad in cases.items():
        try:
            bad(shop)
        except error as refusal:
            if _digits(PAN) in _digits(str(refusal) + repr(refusal)):
                wrong.append((name, f"says the card number: {refusal}"))
        except Exception as other:
            wrong.append((name, f"{type(other).__name__}: {other}"))
        else:
            wrong.append((name, "was accepted"))
        if shop.counts() != counts:
            wrong.append((name, "something was written"))
            counts = shop.counts()
    assert len(shop.watch.sent) == sent, "something was sent"
    return wrong


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def test_amounts_that_cannot_be_charged(shop: Shop) -> None:
    assert _assert_refused(shop, AMOUNTS, InvalidRequest) == []


def test_texts_that_cannot_be_kept(shop: Shop) -> None:
    assert _assert_refused(shop, TEXTS, InvalidRequest) == []


def test_card_numbers(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "paykit")
    assert _assert_refused(shop, CARDS, (InvalidRequest, NotFound)) == []  # type: ignore[arg-type]
    assert PAN not in caplog.text


def test_words_that_mean_nothing(shop: Shop) -> None:
    shop.paid()
    assert _assert_refused(shop, PAYMENTS, (InvalidRequest, NotFound)) == []  # type: ignore[arg-type]


def test_payments_that_are_not_there(shop: Shop) -> None:
    shop.paid()
    assert _assert_refused(shop, UNKNOWN, NotFound) == []


def test_amounts_of_captures_and_refunds(shop: Shop) -> None:
    authorized = shop.create_payment(amount=Money(20000, "isk"), capture="manual").id
    shop.confirm_payment(authorized)
    paid = shop.paid(20000, "isk")
    cases: dict[str, Bad] = {
        "capture of aurar": lambda shop: shop.capture_payment(
            authorized, amount=Money(150, "isk")
        ),
        "capture of nothing": lambda shop: shop.capture_payment(
            authorized, amount=Money(0, "isk")
        ),
        "capture of euros": lambda shop: shop.capture_payment(
            authorized, amount=Money(100, "eur")
        ),
        "refund of aurar": lambda shop: shop.refund_payment(
            paid, amount=Money(150, "isk")
        ),
        "refund of nothing": lambda shop: shop.refund_payment(
            paid, amount=Money(0, "isk")
        ),
        "refund of euros": lambda shop: shop.refund_payment(
            paid, amount=Money(100, "eur")
        ),
    }
    assert _assert_refused(shop, cases, InvalidMoney) == []
    assert shop.capture_payment(authorized, amount=Money(10000, "isk")).paid
    assert shop.refund_payment(paid, amount=Money(100, "isk"))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": Money(0, "eur")}, "amount"),
        ({"amount": 5}, "amount"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"merchant": ""}, "merchant"),
        ({"reference": ""}, "reference"),
        ({"reference": PAN}, "reference"),
        ({"metadata": {"a": PAN}}, "metadata.a"),
    ],
)
def test_the_error_names_the_field(
    quick: Shop, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        quick.create_payment(**fields)
    assert refusal.value.field == field
    assert refusal.value.http_status == 422
    assert field.rpartition(".")[2] in str(refusal.value) or field == "amount"


def test_a_card_number_has_an_error_of_its_own(quick: Shop) -> None:
    for bad in CARDS.values():
        with pytest.raises((CardDataRefused, InvalidRequest, NotFound)):
            bad(quick)
    with pytest.raises(CardDataRefused):
        quick.create_payment(description=PAN)


def test_what_looks_odd_but_is_fine(shop: Shop) -> None:
    payment = shop.create_payment(
        idempotency_key="~" * 255,
        merchant="M-1_x.y",
        reference="Ünïcode 🎉 " + "r" * 240,
        description="d" * 500,
        metadata={f"k{n}": "v" * 500 for n in range(40)},
    )
    assert shop.get(payment.id, merchant="M-1_x.y").description == "d" * 500
