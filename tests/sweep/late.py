"""A local Stripe that lets a test look between the arrival of a request and its end."""

from __future__ import annotations

from threading import Event
from typing import Final

from typing_extensions import override

from paykit.testing.simulated import Fault
from paykit.testing.stripe_server import StripeServer
from paykit.testing.stripe_server.api import HttpReply, HttpRequest

__all__ = ["PATIENCE_SECONDS", "LateServer"]

PATIENCE_SECONDS: Final = 20.0


class LateServer(StripeServer):
    """
    Holds the next write back, if told to, until the test lets it go.

    Either on its way, so that nobody knows of it yet, or while it is executed, so that
    its key is in use.
    """

    def hold(self, where: str) -> None:
        """Hold the next write back ``on its way`` or ``in work``."""
        self._where: str | None = where
        self.arrived = Event()
        self.let_go = Event()
        self.answered = Event()

    @override
    def respond(self, request: HttpRequest) -> HttpReply:
        where = getattr(self, "_where", None) if request.method == "POST" else None
        if where is None:
            return super().respond(request)
        self._where = None
        if where == "on its way":
            self._pause()
        else:
            self.sim.faults.add(Fault.DELAY, seconds=PATIENCE_SECONDS)
        try:
            return super().respond(request)
        finally:
            self.answered.set()

    def _pause(self) -> None:
        self.arrived.set()
        assert self.let_go.wait(PATIENCE_SECONDS), "the test forgot a request"

    @override
    def _wait(self, seconds: float) -> None:
        if seconds == PATIENCE_SECONDS:
            self._pause()
        else:
            super()._wait(seconds)
