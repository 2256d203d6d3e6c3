"""What goes wrong at the PSP: by chance, but the chance of one request is its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from threading import Lock
from typing import Final

from paykit.testing.simulated import ApiRequest, Fault, Faults

__all__ = ["RATES", "Trouble"]

RATES: Final[Mapping[Fault, float]] = {
    Fault.LOSE_ANSWER: 0.10,
    Fault.ERROR_BEFORE: 0.025,
    Fault.ERROR_AFTER: 0.025,
}
"""How likely each fault is: a tenth of the answers is lost, one in twenty is a 500."""


@dataclass
class Trouble:
    """
    Faults for any request of a provider.

    Whether a request fails is a hash of the seed, of what it asks for, and of how often
    that was asked for before: threads may race, and the answer to one request stays.
    """

    seed: int
    happened: Counter[Fault] = field(default_factory=Counter)
    _asked: Counter[str] = field(default_factory=Counter)
    _guard: Lock = field(default_factory=Lock)

    def begin(self, faults: Faults) -> None:
        """Let every fault of `RATES` happen from now on."""
        for fault, rate in RATES.items():
            faults.add(fault, times=None, when=partial(self._hits, fault, rate))

    def _hits(self, fault: Fault, rate: float, request: ApiRequest) -> bool:
        about = f"{fault} {request.verb} {request.target} {request.key}"
        with self._guard:
            self._asked[about] += 1
            text = f"{self.seed} {about} {self._asked[about]}"
            digest = sha256(text.encode()).digest()
            hit = int.from_bytes(digest[:8]) < rate * 2**64
            self.happened[fault] += hit
            return hit
