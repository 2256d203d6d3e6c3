"""
The conformance suite with little to go on.

Not collected by itself: `test_skipping.py` runs it and looks at what is left out.
"""

from __future__ import annotations

import pytest
from typing_extensions import override

from paykit.psp import AsyncPsp, Capabilities, Psp
from paykit.testing.conformance import PspConformance
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp

__all__ = ["TestBarelyDescribed", "TestIncapable", "TestLive"]


class _Incapable(SimulatedPsp):
    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(
            manual_capture=False, partial_capture=False, partial_refund=False
        )


class _Live(SimulatedPsp):
    @property
    @override
    def livemode(self) -> bool:
        return True


class TestBarelyDescribed(PspConformance):
    """Only what must be said."""

    good_method = "pm_card_visa"

    @pytest.fixture
    @override
    def psp(self) -> Psp | AsyncPsp:
        return SimulatedPsp(SimulatedProvider())


class TestIncapable(TestBarelyDescribed):
    """A provider that takes and gives back whole amounts."""

    @pytest.fixture
    @override
    def psp(self) -> Psp | AsyncPsp:
        return _Incapable(SimulatedProvider())


class TestLive(TestBarelyDescribed):
    """An adapter that moves real money."""

    @pytest.fixture
    @override
    def psp(self) -> Psp | AsyncPsp:
        return _Live(SimulatedProvider())
