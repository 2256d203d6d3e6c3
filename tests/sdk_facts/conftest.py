"""Fixtures: the stub, the local Stripe, and the official SDK in both colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from tests.sdk_facts.clients import COLOURS, Colour, Sdk, official
from tests.sdk_facts.stub import Stub, listening


@pytest.fixture(autouse=True)
def _private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the SDK from reporting, and from writing into the developer's home."""
    monkeypatch.setattr(stripe, "enable_telemetry", False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> Colour:
    """Blocking and asyncio, one after the other."""
    chosen: Colour = request.param
    return chosen


@pytest.fixture
def stub() -> Iterator[Stub]:
    with listening() as stub:
        yield stub


@pytest.fixture
def sdk(stub: Stub, colour: Colour) -> Iterator[Sdk]:
    """The official SDK with its own transport, talking to the stub."""
    with official(stub.url, colour) as sdk:
        yield sdk


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the pauses out of the SDK's own retries."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.0)
