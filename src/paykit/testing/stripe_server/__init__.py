"""The simulated provider behind Stripe's HTTP API, for the unchanged Stripe SDK."""

from paykit.testing.stripe_server.delivery import Deliveries, Disorder
from paykit.testing.stripe_server.server import StripeServer

__all__ = ["Deliveries", "Disorder", "StripeServer"]
