"""The official SDK and paykit's adapter, blocking and asyncio, behind a few methods."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from typing import Any, Final, Literal

import httpx
import stripe

from paykit.psp import Answer, ConfirmPayment, Request
from paykit.stripe import AsyncStripePsp, StripePsp
from paykit.stripe.transport import TIMEOUTS

Colour = Literal["sync", "async"]

COLOURS: Final[tuple[Colour, ...]] = ("sync", "async")

KEY: Final = "sk_test_notarealkey"

CONFIRM: Final = ConfirmPayment(payment="pi_test", payment_method="pm_card_visa")


def official_http(colour: Colour, **options: Any) -> stripe.HTTPClient:
    """Return the transport that the SDK would choose itself."""
    if colour == "sync":
        return stripe.RequestsClient(timeout=10, **options)
    # Loading certificates, which nobody needs here, takes longer than most tests.
    return stripe.HTTPXClient(timeout=10, verify_ssl_certs=False, **options)


class Sdk:
    """Calls methods of a `StripeClient` by name, blocking or on one event loop."""

    def __init__(
        self, client: stripe.StripeClient, runner: asyncio.Runner | None
    ) -> None:
        self.client = client
        self._runner = runner

    def __call__(self, name: str, *args: object) -> Any:
        """Call ``client.v1.<name>``, or its ``_async`` twin."""
        return self._call(self.client.v1, name, *args)

    def raw(self, method: str, path: str) -> Any:
        """Ask for `path` without an object of the SDK around the answer."""
        return self._call(self.client, "raw_request", method, path)

    def all(self, page: Any) -> list[Any]:
        """Return what `page` and those after it list."""
        if self._runner is None:
            return list(page.auto_paging_iter())
        return self._runner.run(_listed(page))

    def _call(self, owner: object, name: str, *args: object) -> Any:
        names = (name if self._runner is None else f"{name}_async").split(".")
        method: Any = reduce(getattr, names, owner)
        result = method(*args)
        return result if self._runner is None else self._runner.run(result)


async def _listed(page: Any) -> list[Any]:
    return [one async for one in page.auto_paging_iter()]


@contextmanager
def official(
    url: str, colour: Colour, http: stripe.HTTPClient | None = None, **options: Any
) -> Iterator[Sdk]:
    """Return the SDK as it is, talking to `url`; `options` are the client's."""
    http = http or official_http(colour)
    client = stripe.StripeClient(
        KEY, base_addresses={"api": url}, http_client=http, **options
    )
    with ExitStack() as after:
        if colour == "sync":
            after.callback(http.close)
            yield Sdk(client, None)
        else:
            runner = after.enter_context(asyncio.Runner())
            after.callback(lambda: runner.run(http.close_async()))  # type: ignore[no-untyped-call]
            yield Sdk(client, runner)


def adapted(
    url: str, colour: Colour, request: Request = CONFIRM, key: str | None = "key-1"
) -> Answer:
    """Return what paykit's adapter makes of the same."""
    if colour == "async":
        return asyncio.run(_adapted(url, request, key))
    with httpx.Client(timeout=TIMEOUTS, verify=False) as client:
        psp = StripePsp(KEY, base_url=url, http_client=client)
        return psp.send(psp.prepare(request, key))


async def _adapted(url: str, request: Request, key: str | None) -> Answer:
    async with httpx.AsyncClient(timeout=TIMEOUTS, verify=False) as client:
        psp = AsyncStripePsp(KEY, base_url=url, http_client=client)
        return await psp.send(psp.prepare(request, key))


def confirm(sdk: Sdk, key: str | None = "key-1") -> Any:
    """Confirm the payment of the stub."""
    options = {} if key is None else {"idempotency_key": key}
    body = {"payment_method": "pm_card_visa"}
    return sdk("payment_intents.confirm", "pi_test", body, options)
