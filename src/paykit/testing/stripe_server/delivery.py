"""
Webhooks over real HTTP: signed, repeated until they are accepted, and in disorder.

Like Stripe's, they promise nothing about order and may come twice; a failed one is
signed anew and sent again, later and later.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from paykit.testing.simulated import SimEvent, SimulatedProvider, sign

__all__ = ["Deliveries", "Disorder", "WebhookSender"]

_POLL_SECONDS: Final = 0.05
"""How often the sender looks for events that nobody told it of."""

_LONGEST_PAUSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disorder:
    """What the way to the endpoint does to webhooks, decided by `seed` alone."""

    seed: int
    shuffle: bool = True
    """Whether the webhooks of one round are sent in another order."""
    duplicate: float = 0.0
    """How likely a webhook is sent twice, 0 to 1."""
    drop: float = 0.0
    """How likely a webhook is lost for good, 0 to 1; the event list still has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """How one round of deliveries went, in events."""

    delivered: int
    failed: int
    """Not accepted; they come again."""
    dropped: int
    """Lost for good."""


@dataclass(slots=True)
class _Trouble:
    """An event that was not accepted: how often, and when it is due again."""

    attempts: int
    due: float


class WebhookSender:
    """
    Sends the events of `sim` to one URL, in a thread of its own or when told.

    `first_pause_seconds` is the pause after the first failure; it doubles from there.
    """

    def __init__(
        self,
        sim: SimulatedProvider,
        url: str,
        secret: str,
        *,
        disorder: Disorder | None = None,
        first_pause_seconds: float = 0.1,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._sim = sim
        self._url = urlsplit(url)
        self._secret = secret
        self._disorder = disorder or Disorder(seed=0, shuffle=False)
        self._chance = random.Random(self._disorder.seed)
        self._first_pause = first_pause_seconds
        self._timeout = timeout_seconds
        self._troubles: dict[str, _Trouble] = {}
        self._dropped: set[str] = set()
        self._round = threading.Lock()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to deliver in the background."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="stripe-webhooks")
        self._thread.start()

    def stop(self) -> None:
        """Stop delivering; waits for the delivery that is under way."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wake(self) -> None:
        """Say that there may be new events."""
        self._wake.set()

    def deliver(self, *, patient: bool = False) -> Deliveries:
        """
        Try every event once that is not delivered yet, and return how that went.

        With `patient`, what failed before is left until its pause is over.
        """
        with self._round:
            events = [event for event in self._open() if self._is_due(event, patient)]
            if self._disorder.shuffle:
                self._chance.shuffle(events)
            lost = [event for event in events if self._is_lost(event)]
            kept = [event for event in events if event.id not in self._dropped]
            delivered = sum(self._deliver(event) for event in kept)
            return Deliveries(
                delivered=delivered,
                failed=len(kept) - delivered,
                dropped=len(lost),
            )

    def _run(self) -> None:
        """Deliver until `stop`."""
        while not self._stopped.is_set():
            self._wake.wait(_POLL_SECONDS)
            self._wake.clear()
            if not self._stopped.is_set():
                self.deliver(patient=True)

    def _open(self) -> list[SimEvent]:
        """Return the events that are neither delivered nor lost, oldest first."""
        events = self._sim.events(undelivered=True)
        return [event for event in events if event.id not in self._dropped]

    def _is_due(self, event: SimEvent, patient: bool) -> bool:
        """Whether `event` may be sent now."""
        trouble = self._troubles.get(event.id)
        return not patient or trouble is None or trouble.due <= monotonic()

    def _is_lost(self, event: SimEvent) -> bool:
        """Decide once, at the first attempt, whether `event` is lost for good."""
        if event.id in self._troubles or not self._happens(self._disorder.drop):
            return False
        self._dropped.add(event.id)
        return True

    def _deliver(self, event: SimEvent) -> bool:
        """Send `event`, perhaps twice; return whether it was accepted."""
        accepted = self._post(event)
        if self._happens(self._disorder.duplicate):
            accepted = self._post(event) or accepted
        if accepted:
            self._troubles.pop(event.id, None)
            self._sim.mark_delivered(event)
        else:
            self._postpone(event)
        return accepted

    def _postpone(self, event: SimEvent) -> None:
        """Let `event` wait: twice as long after every failure, up to a limit."""
        trouble = self._troubles.setdefault(event.id, _Trouble(0, 0.0))
        pause = self._first_pause * 2.0 ** min(trouble.attempts, 20)
        trouble.attempts += 1
        trouble.due = monotonic() + min(pause, _LONGEST_PAUSE_SECONDS)

    def _happens(self, rate: float) -> bool:
        """Draw once, whatever the rate, so that rates do not shift the story."""
        return self._chance.random() < rate

    def _post(self, event: SimEvent) -> bool:
        """Send `event`, signed now; only a 2xx accepts it, as at Stripe."""
        body, _ = self._sim.webhook(event)
        headers = {
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Content-Type": "application/json; charset=utf-8",
            **sign(body, self._secret, self._sim.world.now()),
        }
        connection = self._connect()
        try:
            connection.request("POST", self._path(), body, headers)
            return 200 <= connection.getresponse().status < 300
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _connect(self) -> HTTPConnection:
        """Return a connection to the endpoint; no proxy is asked."""
        host = self._url.hostname or ""
        if self._url.scheme == "https":
            return HTTPSConnection(host, self._url.port, timeout=self._timeout)
        return HTTPConnection(host, self._url.port, timeout=self._timeout)

    def _path(self) -> str:
        query = f"?{self._url.query}" if self._url.query else ""
        return f"{self._url.path or '/'}{query}"
