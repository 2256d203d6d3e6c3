"""Which parameters each endpoint takes, and how they are read from text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from paykit.testing.simulated.account_parameters import REQUIRED, TAKES, Kind
from paykit.testing.simulated.errors import invalid, missing
from paykit.testing.simulated.objects import Json

__all__ = ["Params", "checked"]

Reader: TypeAlias = Callable[[str, object], object]

_INTEGER: Final = re.compile(r"-?[0-9]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Params:
    """Checked parameters of one request, read by kind."""

    values: Json

    def text(self, name: str) -> str | None:
        """Return the text `name`; None if it was not sent or is empty."""
        value = self.values.get(name)
        return value if isinstance(value, str) and value else None

    def number(self, name: str) -> int | None:
        """Return the integer `name`, or None if it was not sent."""
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def flag(self, name: str) -> bool:
        """Return the flag `name`; False if it was not sent."""
        return self.values.get(name) is True

    def table(self, name: str) -> Json:
        """Return the nested parameters `name`; empty if not sent."""
        value = self.values.get(name)
        return value if isinstance(value, dict) else {}

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the list `name`; empty if not sent."""
        value = self.values.get(name)
        if not isinstance(value, list):
            return ()
        return tuple(item for item in value if isinstance(item, str))

    def metadata(self, old: Mapping[str, str]) -> dict[str, str]:
        """Return `old` with the sent metadata merged in; an empty value unsets."""
        if self.values.get("metadata") == "":
            return {}
        merged = {**old}
        for key, value in self.table("metadata").items():
            merged[key] = str(value)
        return {key: value for key, value in merged.items() if value != ""}


def _read_text(name: str, value: object) -> object:
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {name}", code=None, param=name)
    return value


def _read_number(name: str, value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    message = f"Invalid integer: {name}"
    raise invalid(message, code="parameter_invalid_integer", param=name)


def _read_flag(name: str, value: object) -> object:
    known = {True: True, False: False, "true": True, "false": False}
    if not isinstance(value, bool | str) or value not in known:
        raise invalid(f"Invalid boolean: {name}", code=None, param=name)
    return known[value]


def _read_table(name: str, value: object) -> object:
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise invalid("Invalid object", code="parameter_invalid", param=name)
    return value


def _read_metadata(name: str, value: object) -> object:
    """Read metadata; an empty text, kept as it is, unsets all of it."""
    return "" if value == "" else _read_table(name, value)


def _read_texts(name: str, value: object) -> object:
    if not isinstance(value, list):
        raise invalid("Invalid array", code="parameter_invalid", param=name)
    return value


def _read_range(name: str, value: object) -> object:
    """Read a point in time, or ``{"gte": ...}``: bounds in Unix seconds."""
    if not isinstance(value, dict):
        return {"gte": _read_number(name, value), "lte": _read_number(name, value)}
    return {key: _read_number(f"{name}[{key}]", bound) for key, bound in value.items()}


def _read_transfer(name: str, value: object) -> object:
    """Read ``transfer_data``, whose amount is a number."""
    table = _read_table(name, value)
    assert isinstance(table, dict)
    if "amount" in table:
        amount = _read_number(f"{name}[amount]", table["amount"])
        return {**table, "amount": amount}
    return table


def _read_off_session(name: str, value: object) -> object:
    """Read a flag that may also be a word, each of which means true."""
    return True if value in ("one_off", "recurring") else _read_flag(name, value)


@dataclass(frozen=True, slots=True)
class _Spec:
    readers: Mapping[str, Reader]
    required: tuple[str, ...] = ()


def _spec(*groups: Mapping[str, Reader], required: tuple[str, ...] = ()) -> _Spec:
    readers: dict[str, Reader] = {"expand": _read_texts}
    for group in groups:
        readers.update(group)
    return _Spec(readers, required)


_PAYMENT: Final[Mapping[str, Reader]] = {
    "amount": _read_number,
    "currency": _read_text,
    "metadata": _read_metadata,
    "payment_method": _read_text,
    "customer": _read_text,
    "description": _read_text,
    "statement_descriptor": _read_text,
    "statement_descriptor_suffix": _read_text,
    "receipt_email": _read_text,
    "setup_future_usage": _read_text,
    "transfer_group": _read_text,
    "shipping": _read_table,
    "payment_method_options": _read_table,
    "capture_method": _read_text,
    "application_fee_amount": _read_number,
    "transfer_data": _read_transfer,
}
_CONFIRM: Final[Mapping[str, Reader]] = {
    "payment_method": _read_text,
    "return_url": _read_text,
    "off_session": _read_off_session,
    "error_on_requires_action": _read_flag,
    "use_stripe_sdk": _read_flag,
    "mandate_data": _read_table,
    "receipt_email": _read_text,
    "setup_future_usage": _read_text,
    "shipping": _read_table,
    "capture_method": _read_text,
    "payment_method_options": _read_table,
}
_CREATE: Final[Mapping[str, Reader]] = {
    "confirm": _read_flag,
    "on_behalf_of": _read_text,
    "automatic_payment_methods": _read_table,
    "allowed_payment_method_types": _read_texts,
    "excluded_payment_method_types": _read_texts,
    "confirmation_method": _read_text,
}
_AT_CAPTURE: Final[Mapping[str, Reader]] = {
    "application_fee_amount": _read_number,
    "metadata": _read_metadata,
    "statement_descriptor": _read_text,
    "transfer_data": _read_transfer,
}
_PAGE: Final[Mapping[str, Reader]] = {
    "limit": _read_number,
    "starting_after": _read_text,
    "ending_before": _read_text,
    "created": _read_range,
}

_READERS: Final[Mapping[Kind, Reader]] = {
    "flag": _read_flag,
    "number": _read_number,
    "range": _read_range,
    "table": _read_table,
    "text": _read_text,
    "texts": _read_texts,
}

_SPECS: Final[Mapping[str, _Spec]] = {
    **{
        verb: _spec(
            {
                name: _read_metadata if name == "metadata" else _READERS[kind]
                for name, kind in takes.items()
            },
            required=REQUIRED.get(verb, ()),
        )
        for verb, takes in TAKES.items()
    },
    "create_payment": _spec(
        _PAYMENT, _CONFIRM, _CREATE, required=("amount", "currency")
    ),
    "update_payment": _spec(_PAYMENT),
    "confirm_payment": _spec(_CONFIRM, {"client_secret": _read_text}),
    "capture_payment": _spec(
        _AT_CAPTURE,
        {
            "amount_to_capture": _read_number,
            "final_capture": _read_flag,
            "statement_descriptor_suffix": _read_text,
        },
    ),
    "increment_authorization": _spec(
        _AT_CAPTURE,
        {"amount": _read_number, "description": _read_text},
        required=("amount",),
    ),
    "cancel_payment": _spec({"cancellation_reason": _read_text}),
    "read_payment": _spec({"client_secret": _read_text}),
    "find_payment": _spec(_PAGE, {"customer": _read_text}),
    "create_refund": _spec(
        {
            "payment_intent": _read_text,
            "charge": _read_text,
            "amount": _read_number,
            "reason": _read_text,
            "metadata": _read_metadata,
        }
    ),
    "update_refund": _spec({"metadata": _read_metadata}),
    "read_refund": _spec(),
    "find_refund": _spec(_PAGE, {"payment_intent": _read_text, "charge": _read_text}),
    "read_charge": _spec(),
    "list_charges": _spec(_PAGE, {"payment_intent": _read_text}),
    "read_balance_transaction": _spec(),
    "list_balance_transactions": _spec(
        _PAGE,
        {
            "source": _read_text,
            "payout": _read_text,
            "type": _read_text,
            "currency": _read_text,
        },
    ),
    "read_event": _spec(),
    "list_events": _spec(
        _PAGE,
        {"type": _read_text, "types": _read_texts, "delivery_success": _read_flag},
    ),
}

_OFFERED_TYPES_ONCE: Final = ("create_payment", "confirm_payment", "update_payment")
"""Where ``payment_method_types`` was writable before API version 2026-09-30.endive."""


def checked(verb: str, params: Json) -> Params:
    """Return `params` read by the rules of `verb`; raises `ProviderError`."""
    spec = _SPECS[verb]
    if "payment_method_types" in params and verb in _OFFERED_TYPES_ONCE:
        raise invalid(
            "The payment_method_types parameter is no longer supported.",
            code="payment_method_types_no_longer_supported",
            param="payment_method_types",
        )
    for name in params:
        if name not in spec.readers:
            message = f"Received unknown parameter: {name}"
            raise invalid(message, code="parameter_unknown", param=name)
    for name in spec.required:
        if params.get(name) in (None, ""):
            raise missing(name)
    return Params(
        {
            name: spec.readers[name](name, value)
            for name, value in params.items()
            if value is not None
        }
    )
