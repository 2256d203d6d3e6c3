"""A simulated payment provider with Stripe's semantics, for tests and simulations."""

from paykit.testing.simulated.admission import Ticket
from paykit.testing.simulated.effects import Effects
from paykit.testing.simulated.errors import ProviderError
from paykit.testing.simulated.exchange import ApiRequest, Damage, Reply
from paykit.testing.simulated.faults import Fault, Faults
from paykit.testing.simulated.methods import METHODS, Method
from paykit.testing.simulated.objects import (
    SimBalanceTransaction,
    SimCharge,
    SimDecline,
    SimEvent,
    SimIntent,
    SimRefund,
)
from paykit.testing.simulated.provider import SimulatedProvider
from paykit.testing.simulated.psp import AsyncSimulatedPsp, SimulatedPsp
from paykit.testing.simulated.render import API_VERSION
from paykit.testing.simulated.webhooks import sign

__all__ = [
    "API_VERSION",
    "METHODS",
    "ApiRequest",
    "AsyncSimulatedPsp",
    "Damage",
    "Effects",
    "Fault",
    "Faults",
    "Method",
    "ProviderError",
    "Reply",
    "SimBalanceTransaction",
    "SimCharge",
    "SimDecline",
    "SimEvent",
    "SimIntent",
    "SimRefund",
    "SimulatedProvider",
    "SimulatedPsp",
    "Ticket",
    "sign",
]
