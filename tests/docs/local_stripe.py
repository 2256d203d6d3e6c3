"""The page about the local Stripe: its tables, and where it differs from Stripe."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from textwrap import dedent, fill, indent
from typing import Final

from paykit.testing.simulated import METHODS, Method
from paykit.testing.simulated import faults as fault_module
from paykit.testing.simulated.controls import Controls
from paykit.testing.simulated.faults import Fault
from paykit.testing.simulated.limits import LIMITS
from paykit.testing.stripe_server.account_controls import TAKES
from paykit.testing.stripe_server.control import _CONTROLS, PREFIX
from paykit.testing.stripe_server.routes import ROUTES

__all__ = ["local_stripe_page"]

_MADE: Final = "Made from the code by `python -m tests.docs.reference`; do not edit.\n"

_INTRO: Final = """
`paykit stripe-server` and `paykit.testing.stripe_server.StripeServer` serve Stripe's
API over HTTP, for the unchanged Stripe SDK of any language. What happens to payments,
refunds, disputes, payouts, events and webhooks is simulated, money and time included.
[How to use it](../howto/local-stripe.md).
"""

_HEADERS: Final = {
    "Authorization": "`Bearer sk_test_<tenant>`, or the key as the user of Basic. What "
    "follows `sk_test_`, `rk_test_` and `pk_test_` names the tenant; an unknown one is "
    "opened. Tenants share nothing.",
    "Stripe-Account": "one of the tenant's connected accounts; any name opens one",
    "Idempotency-Key": "for every POST, at most 255 characters, kept for 24 hours of "
    "the provider's clock",
    "Stripe-Version": "is answered with, and changes nothing",
    "Paykit-Fault": "`<fault>; seconds=<number>; should_retry=<true or false>`: what "
    "goes wrong with this request, each time that it is sent",
}

_ANSWERS: Final = """
Answers have `Request-Id` and `Stripe-Version`; to a request with a key also
`Idempotency-Key` and `Original-Request`, and `Idempotent-Replayed: true` if the answer
is a stored one. `Stripe-Should-Retry` comes only if a fault says so.

## Idempotency keys

The first answer is stored once the request has begun to execute: a success, a decline
and an injected 500 alike. Not stored are 401, 403, 429, refusals of parameters, and 409
`idempotency_key_in_use`, which is the answer while the first request is running. Other
parameters or another endpoint under the same key are a 400 `idempotency_error`. Keys
belong to an account. Two requests that change one object at once take turns; who waits
longer than half a second gets 429 `lock_timeout`.
"""

_CONTROL_INTRO: Final = """
## Controls

What payers, banks and Stripe itself would do, asked for over HTTP; the bodies are JSON.
A control is for the tenant whose key it comes with; without a key, for the only tenant
that there is.
"""

_FAULT_INTRO: Final = f"""
## Faults

By the header `Paykit-Fault`, for one request; or by `POST {PREFIX}faults`, for the next
requests of a kind: `fault`, and if wanted `verb` (a name of the table of endpoints),
`account`, `times` (1; null is until `clear_faults`), `for_seconds`, `seconds` and
`should_retry`. An outage is a fault for any verb with `"times": null`.
"""

_STATE: Final = """
## State

With `--state FILE`, every change is in the file before it is answered, as one line of
JSON: a SIGKILL loses nothing that was answered, and a line that was torn was not. The
file is written, not forced to the disk, so that a machine without power may lose the
last lines. At every start it is written anew, without what is no longer so. One server
has it at a time (on Windows nobody sees to that). Not kept are planned faults, limits,
which webhooks were dropped and how often one was tried.
"""

_DIFFERENCES: Final = {
    "It does not": (
        "know customers, payment methods as objects, sessions, products, transfers or "
        "anything else that the table of endpoints does not have: that is a 404 "
        "`Unrecognized request URL`. Customer ids are shown as they were given",
        "start or change a subscription for a request: controls do, and it is read, "
        "as its invoices are. They move no money, and have no payments",
        "take card numbers, tokens or `payment_method_data`: only the names of the "
        "table of test payment methods",
        "speak version 2 of the API; thin notifications can be sent to an endpoint "
        "that a control makes, but `/v2` is a 404",
        "render another version of the API than the one that it was made for, whatever "
        "`Stripe-Version` or an endpoint's `api_version` says",
        "check a restricted key's permissions, or whether a connected account exists",
        "let time act: authorizations run out, debits and refunds settle, payouts "
        "arrive, periods end and disputes are decided when a control says so; a test "
        "clock moves nothing",
        "convert currencies, or take fees other than 2.9 % and 30 minor units of a "
        "capture and 15.00 of a dispute",
        "give up a webhook endpoint after days of failures, or an event after 30 days "
        "of retries",
        "compress answers, speak HTTP/2 or TLS, or take chunked bodies",
    ),
    "It does otherwise": (
        "ids are counted (`pi_...0000001`) and say the tenant; never read anything "
        "from an id's form",
        "a key is any text of letters, digits and `_` behind `sk_test_`; the "
        "publishable key of a tenant has the same text, while Stripe's have different "
        "ones",
        "a connected account is opened by being named",
        "a key is forgotten after exactly 24 hours; Stripe keeps it at least so long",
        "webhooks that failed come again after 0.1 to 5 seconds, without an end; at "
        "Stripe after minutes to hours, for three days (three times in test mode)",
        "an object's lock is waited for half a second; Stripe does not say how long",
        "limits are off until they are asked for",
        "3-D Secure has no page: the URL in `next_action` leads nowhere, and the "
        "control `complete_authentication` is the payer",
        "error messages are like Stripe's, not the same; codes, types and `param` are "
        "meant to be the same",
        "a fault that refuses connections cuts them: the connection is open already",
    ),
}

_TOLD: Final = (
    "authenticate",
    "slow",
    "settles",
    "refund",
    "dispute",
    "risk",
    "failed_checks",
    "increments",
)
"""The fields of a payment method that are told if they are not as usual."""


def local_stripe_page() -> str:
    """Return the page about the local Stripe."""
    parts = [
        "# The local Stripe\n",
        _MADE,
        _INTRO.lstrip(),
        *_differences(),
        *_headers(),
        _ANSWERS.lstrip(),
        *_endpoints(),
        *_faults(),
        *_controls(),
        *_limits(),
        _STATE.lstrip(),
        *_methods(),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _differences() -> Iterator[str]:
    yield "## Differences to Stripe\n"
    for title, points in _DIFFERENCES.items():
        yield f"{title}:\n"
        yield "".join(_point(text) for text in points)


def _point(text: str) -> str:
    return (
        indent(fill(f"{text};", 86, break_on_hyphens=False), "  ").replace(
            "  ", "- ", 1
        )
        + "\n"
    )


def _headers() -> Iterator[str]:
    yield "## Keys and headers\n"
    rows = ((f"`{name}`", text) for name, text in _HEADERS.items())
    yield _table(("header", "what it does"), rows)


def _endpoints() -> Iterator[str]:
    yield "## Endpoints\n"
    rows = [(method, path, verb) for (method, path), verb in ROUTES.items()]
    yield _table(
        ("request", "verb"),
        (
            (f"`{method} /v1/{path.replace('*', ':id')}`", f"`{verb}`")
            for method, path, verb in rows
        ),
    )


def _faults() -> Iterator[str]:
    yield _FAULT_INTRO.lstrip()
    texts = _fault_texts()
    yield _table(
        ("fault", "what happens"),
        ((f"`{fault.value}`", _plain(texts[fault.name])) for fault in Fault),
    )


def _fault_texts() -> dict[str, str]:
    """Return what stands below each fault in the source."""
    tree = ast.parse(inspect.getsource(fault_module.Fault))
    body = tree.body[0].body  # type: ignore[attr-defined]
    return {
        ast.unparse(node.targets[0]): inspect.cleandoc(after.value.value)
        for node, after in pairwise(body)
        if isinstance(node, ast.Assign)
    }


def _controls() -> Iterator[str]:
    yield _CONTROL_INTRO.lstrip()
    yield _table(
        ("control", "body, and what it does"),
        (
            (f"`{method} {PREFIX}{name}`", _control_text(name, act.__doc__))
            for (method, name), act in _CONTROLS.items()
        ),
    )


def _control_text(name: str, doc: str | None) -> str:
    if name in TAKES:
        takes = ", ".join(f"`{one}`" for one in TAKES[name])
        [first, *_] = inspect.cleandoc(getattr(Controls, name).__doc__).split("\n\n")
        return f"{_plain(first)} Takes {takes}."
    return _plain(dedent(doc or ""))


def _limits() -> Iterator[str]:
    yield "## Limits\n"
    yield _table(
        ("`--limits`", "requests a second", "of each endpoint"),
        (
            (f"`{name}`", f"{limits.account:g}", f"{limits.endpoint:g}")
            for name, limits in LIMITS.items()
        ),
    )
    yield "Or `TOTAL/ENDPOINT`. Above that, the answer is a 429 `rate_limit`.\n"


def _methods() -> Iterator[str]:
    yield "## Test payment methods\n"
    yield _table(
        ("name", "what it does"),
        ((f"`{name}`", _behaviour(method)) for name, method in METHODS.items()),
    )


def _behaviour(method: Method) -> str:
    """Return what makes `method` differ from one that just pays."""
    told = [f"{method.brand or method.type} {method.last4}"]
    if method.decline is not None:
        told.append(f"declined: `{method.decline.code}`")
        if method.decline.decline_code not in (None, method.decline.code):
            told[-1] += f", `{method.decline.decline_code}`"
    usual = Method("", "")
    for name in _TOLD:
        value = getattr(method, name)
        if value != getattr(usual, name):
            told.append(f"{name}: {_word(value)}")
    return "; ".join(told)


def _word(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value).lower()


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _plain(text: str) -> str:
    """Return a docstring as one line of Markdown."""
    return re.sub(r"\s+", " ", text).replace("``", "`").replace("|", "\\|").strip()
