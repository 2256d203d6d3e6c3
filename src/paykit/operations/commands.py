"""
What callers may ask for: frozen commands, checked before anything is written or sent.

`build` turns pydantic's complaint into `InvalidRequest`, without the offending value:
it may be a card number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

from paykit.carddata import redact, refuse_card_numbers
from paykit.errors import InvalidRequest
from paykit.money import Money
from paykit.operations.links import PREFIX

__all__ = [
    "METADATA_KEYS",
    "AccountId",
    "Actor",
    "CaptureMethod",
    "Command",
    "CurrencyCode",
    "FutureUsage",
    "Key",
    "Merchant",
    "Metadata",
    "PaymentId",
    "Reason",
    "Reference",
    "Text",
    "build",
    "check_key",
    "check_merchant",
    "check_payment_id",
]

METADATA_KEYS: Final = 40
"""How many keys of metadata a payment may have."""

_KEY_MAX: Final = 40
_VALUE_MAX: Final = 500

C = TypeVar("C", bound=BaseModel)


class Command(BaseModel, frozen=True, extra="forbid", strict=True):
    """Base of all commands: unknown fields and lax types are refused."""


def _metadata(value: Mapping[str, str]) -> Mapping[str, str]:
    """Stripe allows 50 keys of 40 and values of 500 characters; some are ours."""
    if len(value) > METADATA_KEYS:
        raise ValueError(f"at most {METADATA_KEYS} keys")
    for key, text in value.items():
        if not 0 < len(key) <= _KEY_MAX or "[" in key or "]" in key:
            raise ValueError(f"a key has 1 to {_KEY_MAX} characters and no brackets")
        if key.startswith(PREFIX):
            raise ValueError(f"keys that start with {PREFIX!r} belong to paykit")
        if not 0 < len(text) <= _VALUE_MAX:
            raise ValueError(f"a value has 1 to {_VALUE_MAX} characters")
    return value


def _currency(code: str) -> str:
    """Write a code as the PSP does; raises `InvalidMoney` if there is no such one."""
    return Money.zero(code).currency


Key = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")
]
Merchant = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
]
PaymentId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=64)]
AccountId = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_-]+$")
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Actor = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")
]
"""Who does something by hand: a name or an address, for the history."""
CurrencyCode = Annotated[str, AfterValidator(_currency)]
Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]
CaptureMethod = Literal["automatic", "automatic_async", "manual"]
FutureUsage = Literal["on_session", "off_session"]


class _KeyOnly(Command, frozen=True):
    idempotency_key: Key


class _MerchantOnly(Command, frozen=True):
    merchant: Merchant


class _PaymentOnly(Command, frozen=True):
    payment_id: PaymentId


def check_key(key: str) -> str:
    """Return a usable idempotency key: 1 to 255 printable ASCII characters."""
    return build(_KeyOnly, {"idempotency_key": key}).idempotency_key


def check_merchant(merchant: str) -> str:
    """Return a usable merchant id: 1 to 64 letters, digits, dots and dashes."""
    return build(_MerchantOnly, {"merchant": merchant}).merchant


def check_payment_id(payment_id: str) -> str:
    """Return what can be looked up as a payment's id, whether there is one or not."""
    return build(_PaymentOnly, {"payment_id": payment_id}).payment_id


def build(command: type[C], fields: Mapping[str, object]) -> C:
    """
    Return the command, or raise `InvalidRequest` naming the field.

    Fields that are None count as not given. Every text is searched for card numbers.
    """
    given = {name: _plain(value) for name, value in fields.items() if value is not None}
    money = given.pop("money", None)
    if money is not None:
        if not isinstance(money, Money):
            raise InvalidRequest(
                "amount must be Money, for example Money(1000, 'eur')", field="amount"
            )
        given |= {"amount": money.minor, "currency": money.currency}
    try:
        made = command.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = redact(".".join(str(part) for part in first["loc"]))
        raise InvalidRequest(f"{field}: {first['msg']}", field=field) from None
    for name, value in given.items():
        _search(name, value)
    return made


def _plain(value: object) -> object:
    """Return a mapping of any kind as a dict, and everything else as it is."""
    return dict(value) if isinstance(value, Mapping) else value


def _search(field: str, value: object) -> None:
    if isinstance(value, str):
        refuse_card_numbers(value, field)
        _refuse_unstorable(value, field)
    elif isinstance(value, Mapping):
        for key, text in value.items():
            _search(f"{field}.{key}", text)
            refuse_card_numbers(str(key), field)
            _refuse_unstorable(str(key), field)


def _refuse_unstorable(value: str, field: str) -> None:
    """Refuse what PostgreSQL or UTF-8 has no room for: NUL and half surrogates."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        name = redact(field.replace("\0", "?").encode(errors="replace").decode())
        raise InvalidRequest(f"{name}: characters that cannot be stored", field=name)
