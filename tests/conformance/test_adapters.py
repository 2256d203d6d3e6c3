"""Every adapter that paykit ships keeps every promise of the conformance suite."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from typing_extensions import override

from paykit.psp import AsyncPsp, Psp
from paykit.stripe import AsyncStripePsp, StripePsp
from paykit.testing.simulated import AsyncSimulatedPsp, SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.conformance.adapters import OverHttp, Simulated
from tests.testing.stripe_sdk import TEST_KEY

SECRETS = ["whsec_of_before", "whsec_simulated"]

IMPATIENT = httpx.Timeout(5.0, read=1.0)
"""Seconds: a provider that stays silent is given up soon."""


class TestSimulatedPsp(Simulated):
    """The blocking adapter of the simulated provider."""


class TestAsyncSimulatedPsp(Simulated):
    """The asyncio adapter of the simulated provider."""

    @pytest.fixture
    @override
    def psp(self, sim: SimulatedProvider) -> Psp | AsyncPsp:
        return AsyncSimulatedPsp(sim)

    @pytest.fixture
    @override
    def restarted_psp(self, sim: SimulatedProvider) -> Psp | AsyncPsp:
        return AsyncSimulatedPsp(sim)


class TestStripePsp(OverHttp):
    """The blocking adapter of Stripe, through the SDK and over HTTP."""

    @pytest.fixture
    @override
    def psp(self, server: StripeServer) -> Iterator[Psp | AsyncPsp]:
        with httpx.Client(timeout=IMPATIENT) as http:
            yield StripePsp(
                TEST_KEY,
                webhook_secrets=SECRETS,
                base_url=server.url,
                http_client=http,
            )

    @pytest.fixture
    @override
    def restarted_psp(self, server: StripeServer) -> Iterator[Psp | AsyncPsp]:
        psp = StripePsp(TEST_KEY, webhook_secrets=SECRETS, base_url=server.url)
        yield psp
        psp.close()


class TestAsyncStripePsp(OverHttp):
    """The asyncio adapter of Stripe, through the SDK and over HTTP."""

    @pytest.fixture
    @override
    def psp(self, server: StripeServer, runner: asyncio.Runner) -> Iterator[AsyncPsp]:
        http = httpx.AsyncClient(timeout=IMPATIENT)
        yield AsyncStripePsp(
            TEST_KEY, webhook_secrets=SECRETS, base_url=server.url, http_client=http
        )
        runner.run(http.aclose())

    @pytest.fixture
    @override
    def restarted_psp(self, server: StripeServer) -> Psp | AsyncPsp:
        return AsyncStripePsp(TEST_KEY, webhook_secrets=SECRETS, base_url=server.url)
