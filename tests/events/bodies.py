"""
Every type of event that the installed Stripe SDK knows, with a body of its shape.

The types are the SDK's own list, so a new release of it brings new ones by itself. What
an object must have is read from the annotations of the SDK's class for it.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, Literal, Union, get_args, get_origin

import stripe
from stripe._object_classes import OBJECT_CLASSES
from stripe.events._event_classes import _V2_EVENT_NOTIFICATION_CLASS_LOOKUP

from paykit.stripe import API_VERSION

Json = dict[str, Any]

SNAPSHOT_TYPES: Final[tuple[str, ...]] = get_args(stripe.Event.__annotations__["type"])
"""Events that carry their object."""

THIN_TYPES: Final[tuple[str, ...]] = tuple(_V2_EVENT_NOTIFICATION_CLASS_LOOKUP)
"""Events that only name their object (API v2)."""

_NAMED_OTHERWISE: Final[Mapping[str, str]] = {
    "account.application": "application",
    "account.external_account": "bank_account",
    "application_fee.refund": "fee_refund",
    "billing.alert": "billing.alert_triggered",
    "cash_balance": "cash_balance",
    "charge.dispute": "dispute",
    "charge.refund": "refund",
    "customer.discount": "discount",
    "customer.source": "card",
    "customer.subscription": "subscription",
    "customer.tax_id": "tax_id",
    "sigma.scheduled_query_run": "scheduled_query_run",
    "source.mandate_notification": "source_mandate_notification",
    "source.transaction": "source_transaction",
}
"""Where the object's name is not the beginning of the event's."""

_SCALARS: Final[Mapping[object, object]] = {
    bool: False,
    float: 1.0,
    int: 1,
    str: "a_word",
}


def object_of(event_type: str) -> str:
    """Return the name of the object that events of this type carry."""
    words = event_type.replace("issuing_", "issuing.").split(".")
    for length in range(len(words), 0, -1):
        name = ".".join(words[:length])
        if name in _NAMED_OTHERWISE:
            return _NAMED_OTHERWISE[name]
        if name in OBJECT_CLASSES:
            return name
    raise LookupError(f"no object is known for {event_type}")


def shape_of(name: str) -> Json:
    """Return the smallest object of this name that the SDK's annotations allow."""
    module, class_name = OBJECT_CLASSES[name]
    return _object(getattr(import_module(module), class_name))


def snapshot(event_id: str, event_type: str, subject: Mapping[str, object]) -> Json:
    """Return an event that carries `subject`."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": 1_893_456_000,
        "data": {"object": dict(subject)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }


def thin(
    event_id: str, event_type: str, kind: str = "an.object", reference: str = "ob_1"
) -> Json:
    """Return an event that names an object and does not show it."""
    return {
        "id": event_id,
        "object": "v2.core.event",
        "type": event_type,
        "livemode": False,
        "created": "2030-01-01T00:00:00.000Z",
        "context": None,
        "related_object": {
            "id": reference,
            "type": kind,
            "url": f"/v2/objects/{reference}",
        },
    }


def _object(cls: type) -> Json:
    return {
        name: _value(annotation)
        for base in reversed(cls.__mro__)
        if issubclass(base, stripe.StripeObject) and base is not stripe.StripeObject
        for name, annotation in base.__annotations__.items()
        if not name.startswith("_") and name != "OBJECT_NAME"
    }


def _value(annotation: Any) -> object:
    """Return a value of this type: the first that is named, None where it may be."""
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return None if type(None) in arguments else _value(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin in (list, tuple):
        return []
    return _structure(origin or annotation)


def _structure(kind: object) -> object:
    """Return an object of the SDK, one level at a time; {} for what is not one."""
    if kind is stripe.ListObject:
        return {"object": "list", "data": [], "has_more": False, "url": "/v1/things"}
    if isinstance(kind, type) and issubclass(kind, stripe.StripeObject):
        return _object(kind)
    return {}


def related_classes() -> Iterator[tuple[str, str]]:
    """Return each type with the class of its object, where the SDK says it."""
    for event_type in SNAPSHOT_TYPES:
        notification = _V2_EVENT_NOTIFICATION_CLASS_LOOKUP.get(f"v1.{event_type}")
        if notification is None:
            continue
        module, name = notification
        fetch = getattr(getattr(import_module(module), name), "fetch_related_object", 0)
        if fetch:
            yield event_type, fetch.__annotations__["return"]
