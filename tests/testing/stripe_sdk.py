"""The unchanged Stripe SDK in both colours, behind one function."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any, Final, Literal

import stripe

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer

Colour = Literal["sync", "async"]

TEST_KEY: Final = "sk_test_simulated"


class Sdk:
    """Calls methods of a `StripeClient` by name, blocking or on one event loop."""

    def __init__(self, client: stripe.StripeClient, runner: asyncio.Runner | None):
        self.client = client
        self._runner = runner

    def __call__(self, name: str, *args: object) -> Any:
        """Call ``client.v1.<name>``, or its ``_async`` twin."""
        if self._runner is None:
            return self._method(name)(*args)
        return self._runner.run(self._method(f"{name}_async")(*args))

    def _method(self, name: str) -> Any:
        return reduce(getattr, name.split("."), self.client.v1)


@contextmanager
def sdk_for(url: str, colour: Colour, timeout: float = 20) -> Iterator[Sdk]:
    """Return the SDK with its own transports, talking to `url`, without retries."""
    telemetry, stripe.enable_telemetry = stripe.enable_telemetry, False
    http = (
        stripe.RequestsClient(timeout=timeout)
        if colour == "sync"
        else stripe.HTTPXClient(timeout=timeout)
    )
    client = stripe.StripeClient(
        TEST_KEY,
        base_addresses={"api": url},
        http_client=http,
        max_network_retries=0,
    )
    try:
        if colour == "sync":
            yield Sdk(client, None)
            http.close()  # type: ignore[no-untyped-call]
        else:
            with asyncio.Runner() as runner:
                yield Sdk(client, runner)
                runner.run(http.close_async())  # type: ignore[no-untyped-call]
    finally:
        stripe.enable_telemetry = telemetry


@contextmanager
def served(sim: SimulatedProvider) -> Iterator[StripeServer]:
    """Serve `sim` without webhooks."""
    with StripeServer(sim) as server:
        yield server
