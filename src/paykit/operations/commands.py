"""
What callers may ask for: frozen commands, checked before anything is written or sent.

`build` turns pydantic's complaint into `InvalidRequest`, without the offending value:
it may be a card number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

from paykit.carddata import refuse_card_numbers
from paykit.errors import InvalidRequest
from paykit.money import Money
from paykit.operations.links import PREFIX

__all__ = [
    "CaptureMethod",
    "Command",
    "Key",
    "Merchant",
    "Metadata",
    "PaymentId",
    "Text",
    "build",
    "check_key",
    "check_merchant",
]

_KEYS_MAX: Final = 40
_KEY_MAX: Final = 40
_VALUE_MAX: Final = 500

C = TypeVar("C", bound=BaseModel)


class Command(BaseModel, frozen=True, extra="forbid", strict=True):
    """Base of all commands: unknown fields and lax types are refused."""


def _metadata(value: Mapping[str, str]) -> Mapping[str, str]:
    """Stripe allows 50 keys of 40 and values of 500 characters; some are ours."""
    if len(value) > _KEYS_MAX:
        raise ValueError(f"at most {_KEYS_MAX} keys")
    for key, text in value.items():
        if not 0 < len(key) <= _KEY_MAX or "[" in key or "]" in key:
            raise ValueError(f"a key has 1 to {_KEY_MAX} characters and no brackets")
        if key.startswith(PREFIX):
            raise ValueError(f"keys that start with {PREFIX!r} belong to paykit")
        if not 0 < len(text) <= _VALUE_MAX:
            raise ValueError(f"a value has 1 to {_VALUE_MAX} characters")
    return value


Key = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")
]
Merchant = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
]
PaymentId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]
CaptureMethod = Literal["automatic", "manual"]


class _KeyOnly(Command, frozen=True):
    idempotency_key: Key


class _MerchantOnly(Command, frozen=True):
    merchant: Merchant


def check_key(key: str) -> str:
    """Return a usable idempotency key: 1 to 255 printable ASCII characters."""
    return build(_KeyOnly, {"idempotency_key": key}).idempotency_key


def check_merchant(merchant: str) -> str:
    """Return a usable merchant id: 1 to 64 letters, digits, dots and dashes."""
    return build(_MerchantOnly, {"merchant": merchant}).merchant


def build(command: type[C], fields: Mapping[str, object]) -> C:
    """
    Return the command, or raise `InvalidRequest` naming the field.

    Fields that are None count as not given. Every text is searched for card numbers.
    """
    given = {name: value for name, value in fields.items() if value is not None}
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
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{field}: {first['msg']}", field=field) from None
    for name, value in given.items():
        _search(name, value)
    return made


def _search(field: str, value: object) -> None:
    if isinstance(value, str):
        refuse_card_numbers(value, field)
    elif isinstance(value, Mapping):
        for key, text in value.items():
            _search(f"{field}.{key}", text)
            refuse_card_numbers(str(key), field)
