"""The local Stripe: simulated providers behind a real socket, for the real SDK."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.simulated.limits import Limits
from paykit.testing.stripe_server.api import (
    HttpReply,
    HttpRequest,
    answer,
    json_reply,
    refused,
)
from paykit.testing.stripe_server.control import PREFIX, control
from paykit.testing.stripe_server.delivery import Deliveries, Disorder
from paykit.testing.stripe_server.journal import Journal
from paykit.testing.stripe_server.listener import Listener
from paykit.testing.stripe_server.tenants import (
    DEFAULT_TENANT,
    Tenant,
    Tenants,
    Terms,
    UnknownTenant,
)

__all__ = ["StripeServer"]


class StripeServer:
    """
    Stripe's API on ``http://host:port``.

    Every secret key opens a tenant of its own: ``sk_test_<name>`` is the one that
    `tenant` returns for the name. With `sim`, that provider is the only tenant, of all
    keys.

    Use it as a context manager, or call `start` and `stop`; a stopped server can be
    started again on the same port, and until then connections to it are refused. With
    a `webhook_url`, all events are delivered there, besides the endpoints that the API
    was told of: in the background, or only by `deliver_webhooks` if `background` is
    false. With `state`, nothing that was answered is lost when the process is killed,
    and a server that is made with the same file goes on from there. ``/_test/`` steers
    it from outside.
    """

    def __init__(
        self,
        sim: SimulatedProvider | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        webhook_url: str | None = None,
        webhook_secret: str = "whsec_test",
        *,
        background: bool = True,
        disorder: Disorder | None = None,
        state: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        """
        Make a server that does not listen yet.

        Raises `ValueError` if `state` is no state of a server, and `OSError` if another
        server has it.
        """
        self._address = (host, port)
        self._background = background
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._journal = None if state is None else Journal(state)
        terms = Terms(
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            disorder=disorder,
            limits=limits,
        )
        self._tenants = Tenants(terms, sim, self._journal)

    @property
    def url(self) -> str:
        """The base address for the SDK; its port is known once it was started."""
        host, port = self._address
        return f"http://{host}:{port}"

    @property
    def sim(self) -> SimulatedProvider:
        """The provider that the server was given, or that of ``sk_test_default``."""
        return self.tenant(DEFAULT_TENANT)

    def tenant(self, name: str) -> SimulatedProvider:
        """Return the provider behind ``sk_test_<name>``; a new one is opened."""
        return self._tenants.named(name).sim

    def start(self) -> None:
        """Listen, and serve in threads. Raises `OSError` if the port is taken."""
        self._stopping.clear()
        self._listener = Listener(self, self._address)
        self._address = (self._address[0], self._listener.port)
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="stripe-server",
        )
        self._thread.start()
        for tenant in self._tenants.all():
            self._let_deliver(tenant)

    def stop(self) -> None:
        """Hang up on everybody and refuse connections; nothing is forgotten."""
        self._stopping.set()
        if self._listener is not None and self._thread is not None:
            self._listener.shutdown()
            self._listener.hang_up()
            self._listener.server_close()
            self._thread.join()
        self._listener = self._thread = None
        for tenant in self._tenants.all():
            tenant.sender.stop()

    def close(self) -> None:
        """Stop for good, and let another server have the state."""
        self.stop()
        if self._journal is not None:
            self._tenants.close()
            self._journal.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def deliver_webhooks(self) -> Deliveries:
        """Try every open webhook of `sim` once, now. `ValueError` without endpoints."""
        return _deliver(self._tenants.named(DEFAULT_TENANT))

    def respond(self, request: HttpRequest) -> HttpReply:
        """Answer one request, and let its events be delivered."""
        steers = request.target.startswith(PREFIX)
        if not steers and (refusal := refused(request)) is not None:
            return refusal
        try:
            tenant = self._tenants.asking(request.headers)
        except UnknownTenant as error:
            return json_reply(400, {"error": str(error)})
        if steers:
            reply = control(tenant.sim, request, lambda: _deliver(tenant))
        else:
            reply = answer(tenant.sim, request, self._wait, tenant.locks)
        self._let_deliver(tenant)
        return reply

    def _let_deliver(self, tenant: Tenant) -> None:
        """See that the tenant's new events leave, if they are to by themselves."""
        if not self._background or self._stopping.is_set():
            return
        if tenant.sim.has_endpoints():
            tenant.sender.start()
            tenant.sender.wake()

    def _wait(self, seconds: float) -> None:
        """Let the provider take its time, unless the server is being stopped."""
        self._stopping.wait(seconds)


def _deliver(tenant: Tenant) -> Deliveries:
    if not tenant.sim.has_endpoints():
        raise ValueError("there is no webhook URL, and no webhook endpoint")
    return tenant.sender.deliver()
