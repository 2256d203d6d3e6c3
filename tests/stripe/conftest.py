"""Fixtures of the Stripe tests: the adapter in both colours behind one function."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import respx

from paykit.psp import Answer, Call
from paykit.stripe import AsyncStripePsp, StripePsp
from tests.stripe.samples import SECRET_KEY

API = "https://api.stripe.com"


class Send(Protocol):
    """Send one call with a new adapter, and say what it heard."""

    def __call__(
        self,
        call: Call,
        *,
        base_url: str | None = None,
        stripe_account: str | None = None,
    ) -> Answer: ...


def _send_blocking(
    call: Call, *, base_url: str | None = None, stripe_account: str | None = None
) -> Answer:
    psp = StripePsp(SECRET_KEY, base_url=base_url, stripe_account=stripe_account)
    try:
        return psp.send(call)
    finally:
        psp.close()


def _send_asyncio(
    call: Call, *, base_url: str | None = None, stripe_account: str | None = None
) -> Answer:
    psp = AsyncStripePsp(SECRET_KEY, base_url=base_url, stripe_account=stripe_account)
    return asyncio.run(psp.send(call))


@pytest.fixture(params=[_send_blocking, _send_asyncio], ids=["blocking", "asyncio"])
def send(request: pytest.FixtureRequest) -> Send:
    """Both adapters, one after the other."""
    chosen: Send = request.param
    return chosen


@pytest.fixture
def stripe_api() -> Iterator[respx.MockRouter]:
    """Stripe's API, in place of the network: what is not mocked fails the test."""
    with respx.mock(base_url=API, assert_all_called=False) as router:
        yield router


@pytest.fixture(autouse=True)
def _telemetry_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the SDK from writing its telemetry id into the developer's home."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
