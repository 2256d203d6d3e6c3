"""
Many tenants behind one server: the API key says whose request it is.

A tenant has a provider of its own, with accounts, keys, faults and limits, and does not
see the others; so tests that run at the same time need one server and a key each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from paykit.clock import SYSTEM, World
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.simulated.limits import Limits
from paykit.testing.simulated.objects import Json
from paykit.testing.stripe_server.delivery import Disorder, WebhookSender
from paykit.testing.stripe_server.journal import Journal
from paykit.testing.stripe_server.keys import read_key
from paykit.testing.stripe_server.locking import ObjectLocks

__all__ = ["DEFAULT_TENANT", "Tenant", "Tenants", "Terms", "UnknownTenant"]

DEFAULT_TENANT: Final = "default"
"""The tenant of ``sk_test_default``, and of every key where a provider was given."""


class UnknownTenant(LookupError):
    """The request does not say which of several tenants it means."""


@dataclass(slots=True)
class Tenant:
    """One tenant: its provider, its webhooks, and what its requests are changing."""

    name: str
    sim: SimulatedProvider
    sender: WebhookSender
    locks: ObjectLocks = field(default_factory=ObjectLocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the server was told, and what holds for every tenant."""

    world: World = SYSTEM
    webhook_url: str | None = None
    webhook_secret: str = "whsec_test"
    disorder: Disorder | None = None
    limits: Limits | None = None


class Tenants:
    """
    The tenants that are known so far; thread-safe.

    With `only`, every key is for that one provider.
    """

    def __init__(
        self,
        terms: Terms,
        only: SimulatedProvider | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Open what `journal` remembers; `only` is there from the beginning."""
        self._terms = terms
        self._only = only
        self._journal = journal
        self._open: dict[str, Tenant] = {}
        self._guard = Lock()
        memories = {} if journal is None else journal.memories
        if only is not None and memories.keys() - {DEFAULT_TENANT}:
            raise ValueError("the state has several tenants, and there is one provider")
        for name, memory in memories.items():
            self._open[name] = self._tenant(name, memory)
        if only is not None:
            self.named(DEFAULT_TENANT)
        if journal is not None:
            journal.replace()

    def all(self) -> list[Tenant]:
        """Return every tenant that there is by now."""
        with self._guard:
            return list(self._open.values())

    def close(self) -> None:
        """Write no more; the journal can be closed."""
        for tenant in self.all():
            tenant.sender.stop()
            tenant.sim.journal(None)

    def named(self, name: str) -> Tenant:
        """Return the tenant of ``sk_test_<name>``, a new one if there is none yet."""
        name = DEFAULT_TENANT if self._only is not None else name
        with self._guard:
            if name not in self._open:
                self._open[name] = self._tenant(name, None)
            return self._open[name]

    def asking(self, headers: Mapping[str, str]) -> Tenant:
        """
        Return the tenant whose key is in `headers`.

        Without a key, it is the only tenant that there is. Raises `UnknownTenant` if
        there are several.
        """
        key = read_key(headers)
        if key is not None:
            return self.named(key.tenant)
        known = self.all()
        if len(known) > 1:
            raise UnknownTenant("there are several tenants: say which with a key")
        return known[0] if known else self.named(DEFAULT_TENANT)

    def _tenant(self, name: str, memory: Json | None) -> Tenant:
        """Open a tenant; what it remembers goes to the journal before it is asked."""
        terms = self._terms
        sim = self._only or SimulatedProvider(terms.world, tag=_tag(name))
        sim.limits = terms.limits or sim.limits
        if memory is not None:
            sim.load(memory)
        if self._journal is not None:
            sim.journal(self._journal.writer(name))
        if memory is not None or terms.webhook_url is not None:
            sim.forward(terms.webhook_url, terms.webhook_secret)
        return Tenant(name, sim, WebhookSender(sim, terms.disorder))


def _tag(name: str) -> str:
    """Return what stands in the ids of a tenant, so that no two tenants share one."""
    return f"{hashlib.sha256(name.encode()).hexdigest()[:8]}n"
