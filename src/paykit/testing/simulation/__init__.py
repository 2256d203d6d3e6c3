"""
A deterministic world of disasters (DESIGN section 11).

The real engine, operations and workers run on a real database, one effect at a time, in
an order that the seed decides; anything may crash, stall, get lost or come twice. Then
it is calm, everything is brought to its end, and the books, the PSP and every answer
ever given must agree. The same seed always tells the same story.
"""

from __future__ import annotations

from paykit.testing.simulation.run import Story, simulate
from paykit.testing.simulation.weather import Weather

__all__ = ["Story", "Weather", "simulate"]
