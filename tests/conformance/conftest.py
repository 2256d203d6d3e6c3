"""Fixtures of the conformance tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.testing.worlds import StillWorld


@pytest.fixture(scope="module")
def server() -> Iterator[StripeServer]:
    """One provider behind a socket for a module: the suite's keys are all new."""
    with StripeServer(SimulatedProvider(StillWorld())) as server:
        yield server


@pytest.fixture(autouse=True)
def _telemetry_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the SDK from writing its telemetry id into the developer's home."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
