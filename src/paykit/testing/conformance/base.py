"""What the author of an adapter tells the suite: attributes and fixtures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias

import pytest

from paykit.clock import SYSTEM, World
from paykit.money import Money
from paykit.psp import AsyncPsp, Psp
from paykit.testing.conformance.client import Client

__all__ = ["Base", "Failure", "SignedWebhook"]

Failure: TypeAlias = Literal["server_error", "rate_limit", "unauthorized"]
"""
How the provider fails to deal with a request.

``server_error``: a 500, or the page of a gateway; it may have acted or not.
``rate_limit``: too many requests, and this one was not looked at. ``unauthorized``: the
credentials are not accepted.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedWebhook:
    """A genuine webhook of the provider, as it came in."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    """With lower-case names."""
    signed_at: datetime
    """When the provider signed it: a recorded one is verified as if it were then."""


class Base:
    """What to say about an adapter; only `psp` and `good_method` must be said."""

    good_method: ClassVar[str]
    """A payment method of the provider's test mode that pays at once."""
    declined_method: ClassVar[str | None] = None
    """A payment method that the issuer declines."""
    challenged_method: ClassVar[str | None] = None
    """A payment method that asks the payer to act first (3-D Secure)."""
    raise_declined_method: ClassVar[str | None] = None
    """A payment method that is authorized, and declined a higher authorization."""
    slow_method: ClassVar[str | None] = None
    """A payment method whose outcome the bank tells later, such as a debit."""
    return_url: ClassVar[str] = "https://shop.example/back"
    """Where a payer who had to act is sent."""
    amount: ClassVar[Money] = Money(1000, "usd")
    """What is paid; any amount that the provider's test account takes."""
    part: ClassVar[Money] = Money(400, "usd")
    """More than a third of `amount` and less than half of it: two parts fit in."""
    other_amounts: ClassVar[tuple[Money, ...]] = ()
    """Amounts in other currencies: without decimals, and with two and three of them."""
    page_size: ClassVar[int | None] = None
    """How many payments, and events, the adapter's lists have on a page at most."""
    unknown_payment: ClassVar[str] = "pi_paykit_unknown"
    """A well-formed id of a payment that does not exist."""
    unknown_refund: ClassVar[str] = "re_paykit_unknown"
    """A well-formed id of a refund that does not exist."""
    open_words: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """
    Where in the JSON of `webhook` stand words of a set that the provider may extend.

    As paths, such as ``("data", "object", "status")``; each must be there.
    """

    @pytest.fixture
    def psp(self) -> Psp | AsyncPsp:
        """Return the adapter, for the provider's test mode."""
        raise NotImplementedError("give your adapter in a fixture named `psp`")

    @pytest.fixture
    def restarted_psp(self, psp: Psp | AsyncPsp) -> Psp | AsyncPsp:
        """
        Return the same adapter as another process would make it.

        What is kept in memory between `prepare` and `send` is then found to be missing.
        """
        return psp

    @pytest.fixture
    def world(self) -> World:
        """Return whose time it is; a simulated provider may have a time of its own."""
        return SYSTEM

    @pytest.fixture
    def lose_answer(self) -> Callable[[str], None]:
        """
        Return how to let the provider execute the next request of a verb in silence.

        The function takes a verb of `paykit.psp`, such as ``confirm_payment``.
        """
        pytest.skip("no `lose_answer` fixture: nothing can cut the connection")

    @pytest.fixture
    def refuse_connections(self) -> Callable[[], None]:
        """Return how to let every connection to the provider be refused from now on."""
        pytest.skip("no `refuse_connections` fixture: nothing can refuse connections")

    @pytest.fixture
    def answer_with(self) -> Callable[[Failure, str], None]:
        """Return how to let the next request of a verb be answered with a failure."""
        pytest.skip("no `answer_with` fixture: nothing makes the provider fail")

    @pytest.fixture
    def webhook(self) -> SignedWebhook:
        """Return a genuine webhook about a payment."""
        pytest.skip("no `webhook` fixture: there is no genuine webhook to start from")

    @pytest.fixture
    def foreign_webhook(self) -> SignedWebhook:
        """Return a genuine webhook of another account, or about the other mode."""
        pytest.skip("no `foreign_webhook` fixture: no other account is heard of here")

    @pytest.fixture
    def payout(self) -> str:
        """Return the id of a payout of the test account, in whatever state."""
        pytest.skip("no `payout` fixture: paykit starts none itself")

    @pytest.fixture
    def subscription(self) -> str:
        """Return the id of a subscription of the test account that has an invoice."""
        pytest.skip("no `subscription` fixture: paykit starts none itself")

    @pytest.fixture
    def runner(self) -> Iterator[asyncio.Runner]:
        """One event loop for the whole test, so that connections outlive a call."""
        with asyncio.Runner() as runner:
            yield runner

    @pytest.fixture
    def client(
        self, psp: Psp | AsyncPsp, world: World, runner: asyncio.Runner
    ) -> Client:
        """What the tests ask with."""
        if psp.livemode:
            pytest.fail("the adapter is in live mode: no test moves real money")
        return Client(
            psp=psp,
            world=world,
            runner=runner,
            amount=self.amount,
            good_method=self.good_method,
        )
