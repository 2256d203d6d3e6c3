"""Which adapter speaks for which merchant, and for which recorded binding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paykit.errors import UsageError
from paykit.psp import AnyPsp, binding_of

__all__ = ["PspDirectory", "SinglePsp"]


class PspDirectory(Protocol):
    """A resolver from merchant to adapter, for hosts with several accounts."""

    def for_merchant(self, merchant: str) -> AnyPsp:
        """Return the adapter that new operations of `merchant` use."""
        ...

    def for_binding(self, binding: str) -> AnyPsp:
        """
        Return the adapter of a recorded binding, also of a former account.

        Raises `UsageError` or a `LookupError` for one that nobody here speaks for.
        """
        ...


@dataclass(frozen=True, slots=True)
class SinglePsp:
    """One adapter for every merchant: what most hosts have."""

    psp: AnyPsp

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
