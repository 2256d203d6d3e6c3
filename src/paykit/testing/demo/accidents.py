"""The two accidents of the demo: an answer that gets lost, a process that dies."""

from __future__ import annotations

import os
import signal

import httpx
from typing_extensions import override

from paykit.psp import Answer, Call
from paykit.stripe import StripePsp

__all__ = ["DiesAfterAnswer", "LosesAnswer"]


class LosesAnswer(httpx.BaseTransport):
    """A network that delivers the next confirmation and loses the answer, once."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.armed = False

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; raise `httpx.ReadTimeout` in place of the answer."""
        response = self._inner.handle_request(request)
        if self.armed and request.url.path.endswith("/confirm"):
            self.armed = False
            response.read()
            raise httpx.ReadTimeout("the answer got lost on its way", request=request)
        return response


class DiesAfterAnswer(StripePsp):
    """A Stripe adapter whose process is killed as soon as Stripe has charged."""

    @override
    def send(self, call: Call, /) -> Answer:
        """Send; then die by SIGKILL, before anything can be recorded."""
        answer = super().send(call)
        if call.verb == "confirm_payment":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
