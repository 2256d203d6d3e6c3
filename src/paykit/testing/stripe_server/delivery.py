"""
Webhooks over real HTTP: repeated until they are accepted, and in disorder.

Like Stripe's, they promise nothing about order and may come twice; a failed one is
signed anew and sent again, later and later.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from time import monotonic
from typing import Final, TypeAlias

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.simulated.deliveries import Delivery
from paykit.testing.stripe_server.sending import post_webhook

__all__ = ["Deliveries", "Disorder", "WebhookSender"]

_POLL_SECONDS: Final = 0.05
"""How often the sender looks for events that nobody told it of."""

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0

_Route: TypeAlias = tuple[str, str]
"""An event and the endpoint that it goes to, by their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disorder:
    """What the way to the endpoints does to webhooks, decided by `seed` alone."""

    seed: int
    shuffle: bool = True
    """Whether the webhooks of one round are sent in another order."""
    duplicate: float = 0.0
    """How likely a webhook is sent twice, 0 to 1."""
    drop: float = 0.0
    """How likely a webhook is lost for good, 0 to 1; the event list still has it."""
    delay_seconds: float = 0.0
    """How long a webhook is held back at most; how long, is chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """How one round of deliveries went; an event counts once for each endpoint."""

    delivered: int
    failed: int
    """Not accepted; they come again."""
    dropped: int
    """Lost for good."""


@dataclass(slots=True)
class _Course:
    """How a webhook fares: how often it was tried, and when it is due (again)."""

    due: float
    attempts: int = 0
    lost: bool = False


class WebhookSender:
    """
    Sends the events of `sim` to its endpoints, in a thread of its own or when told.

    Every endpoint is served at its own pace: one that does not answer holds up nobody.
    After a failure, the pause doubles from a tenth of a second up to five. What was
    accepted is in the provider's memory; how often the rest was tried is not.
    """

    def __init__(
        self, sim: SimulatedProvider, disorder: Disorder | None = None
    ) -> None:
        self._sim = sim
        self._disorder = disorder or Disorder(seed=0, shuffle=False)
        self._chance = random.Random(self._disorder.seed)
        self._courses: dict[_Route, _Course] = {}
        self._round = threading.Lock()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to deliver in the background, unless that has begun."""
        if self._thread is None:
            self._stopped.clear()
            self._thread = threading.Thread(target=self._run, name="stripe-webhooks")
            self._thread.start()

    def stop(self) -> None:
        """Stop delivering; waits for the deliveries that are under way."""
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
        Try everything once that is not accepted yet, and return how that went.

        With `patient`, what is held back or failed before is left until it is due.
        """
        with self._round:
            webhooks = self._open(patient)
            if self._disorder.shuffle:
                self._chance.shuffle(webhooks)
            lost = [webhook for webhook in webhooks if self._is_lost(webhook)]
            kept = [one for one in webhooks if not self._courses[_route(one)].lost]
            tries = [(one, self._happens(self._disorder.duplicate)) for one in kept]
            delivered = self._send(tries)
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

    def _open(self, patient: bool) -> list[Delivery]:
        """Return what is neither accepted nor lost and may be sent now."""
        ready = self._is_due if patient else self._is_open
        return self._sim.deliveries(ready)

    def _is_open(self, event: str, endpoint: str) -> bool:
        return not self._course((event, endpoint)).lost

    def _is_due(self, event: str, endpoint: str) -> bool:
        course = self._course((event, endpoint))
        return not course.lost and course.due <= monotonic()

    def _course(self, route: _Route) -> _Course:
        """Return how the webhook fares; a new one is held back for a while."""
        if route not in self._courses:
            pause = self._chance.random() * self._disorder.delay_seconds
            self._courses[route] = _Course(monotonic() + pause)
        return self._courses[route]

    def _is_lost(self, webhook: Delivery) -> bool:
        """Decide once, at the first attempt, whether `webhook` is lost for good."""
        course = self._courses[_route(webhook)]
        if course.attempts == 0:
            course.lost = self._happens(self._disorder.drop)
        return course.lost

    def _happens(self, rate: float) -> bool:
        """Draw once, whatever the rate, so that rates do not shift the story."""
        return self._chance.random() < rate

    def _send(self, tries: list[tuple[Delivery, bool]]) -> int:
        """Send to all endpoints at once, each in order; return how many accepted."""
        by_endpoint = sorted(tries, key=_endpoint)
        queues = [list(queue) for _, queue in groupby(by_endpoint, key=_endpoint)]
        if len(queues) < 2:
            return sum(map(self._send_in_order, queues))
        with ThreadPoolExecutor(len(queues)) as senders:
            return sum(senders.map(self._send_in_order, queues))

    def _send_in_order(self, tries: Iterable[tuple[Delivery, bool]]) -> int:
        return sum(self._deliver(webhook, twice=twice) for webhook, twice in tries)

    def _deliver(self, webhook: Delivery, *, twice: bool) -> bool:
        """Send `webhook`, perhaps twice; return whether it was accepted."""
        accepted = [self._post(webhook) for _ in range(2 if twice else 1)]
        if any(accepted):
            self._courses.pop(_route(webhook), None)
            self._sim.mark_delivered(webhook.event, webhook.endpoint.id)
        else:
            self._postpone(self._courses[_route(webhook)])
        return any(accepted)

    def _post(self, webhook: Delivery) -> bool:
        return post_webhook(webhook, self._sim.world.now())

    def _postpone(self, course: _Course) -> None:
        """Let it wait: twice as long after every failure, up to a limit."""
        pause = _FIRST_PAUSE_SECONDS * 2.0 ** min(course.attempts, 20)
        course.attempts += 1
        course.due = monotonic() + min(pause, _LONGEST_PAUSE_SECONDS)


def _route(webhook: Delivery) -> _Route:
    return webhook.event.id, webhook.endpoint.id


def _endpoint(tried: tuple[Delivery, bool]) -> str:
    return tried[0].endpoint.id
