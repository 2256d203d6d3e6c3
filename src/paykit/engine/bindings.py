"""Which adapter speaks for which merchant, and for which recorded binding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paykit.errors import UsageError
from paykit.psp import AnyPsp, binding_of

__all__ = ["PspDirectory", "SinglePsp", "serves"]


class PspDirectory(Protocol):
    """A resolver from merchant to adapter, for hosts with several accounts."""

    def for_merchant(self, merchant: str) -> AnyPsp:
        """
        Return the adapter that new operations of `merchant` use.

        Raises `UsageError` or a `LookupError` for one that nobody here speaks for:
        metadata at the PSP may name anybody.
        """
        ...

    def for_binding(self, binding: str) -> AnyPsp:
        """
        Return the adapter of a recorded binding, also of a former account.

        Raises `UsageError` or a `LookupError` for one that nobody here speaks for.
        """
        ...

    def owner(self, binding: str) -> str:
        """
        Return the merchant for whom that is booked which is about the account as a
        whole, such as its payouts: an account may serve several merchants, and the PSP
        does not say whose money a payout was.
        """
        ...


@dataclass(frozen=True, slots=True)
class SinglePsp:
    """One adapter for every merchant: what most hosts have."""

    psp: AnyPsp
    merchant: str = "default"
    """Who owns the account; the merchant of a host that names none."""

    def for_merchant(self, merchant: str) -> AnyPsp:
        """Return the one adapter."""
        return self.psp

    def for_binding(self, binding: str) -> AnyPsp:
        """Return the one adapter; raises `UsageError` for another one's binding."""
        if binding_of(self.psp) != binding:
            raise UsageError(
                f"no adapter for {binding}: this service speaks for "
                f"{binding_of(self.psp)}; pass a PspDirectory that knows both"
            )
        return self.psp

    def owner(self, binding: str) -> str:
        """Return the merchant who owns the one account."""
        return self.merchant


def serves(psps: PspDirectory, binding: str, merchant: str) -> bool:
    """Whether `merchant` uses the account behind `binding`, or owns it."""
    if psps.owner(binding) == merchant:
        return True
    try:
        return binding_of(psps.for_merchant(merchant)) == binding
    except (LookupError, UsageError):
        return False
