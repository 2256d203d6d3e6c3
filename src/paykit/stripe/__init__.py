"""The Stripe adapter; nothing else in paykit imports it, or knows the SDK."""

from paykit.stripe.adapter import API_VERSION, AsyncStripePsp, StripePsp

__all__ = ["API_VERSION", "AsyncStripePsp", "StripePsp"]
