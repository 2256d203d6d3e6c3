"""Stripe behind `Psp` and `AsyncPsp`: what is the same for both, and the two shells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NoReturn, cast

import httpx
import stripe
from typing_extensions import override

from paykit.psp.answers import Answer
from paykit.psp.events import PspEvent, WebhookEnvelope
from paykit.psp.port import Call, Capabilities, RequestLimits
from paykit.psp.requests import Request
from paykit.stripe import webhook, wire
from paykit.stripe.errors import answer_from_error
from paykit.stripe.responses import Exchange, Reply
from paykit.stripe.transport import AsyncTransport, SyncTransport
from paykit.stripe.wire import API_VERSION

__all__ = ["API_VERSION", "AsyncStripePsp", "StripePsp"]

_KEY: Final = re.compile(r"(?:sk|rk)_(?P<mode>live|test)_[A-Za-z0-9_]+", re.ASCII)

_CAPABILITIES: Final = Capabilities(
    multicapture=True,
    incremental_authorization=True,
    update_payment=True,
    event_list=True,
    search=True,
    key_retention=timedelta(hours=24),
)
"""Stripe prunes idempotency keys when they are "at least 24 hours old"."""

_LIMITS: Final = {
    True: RequestLimits(per_second=100, per_endpoint=25),
    False: RequestLimits(per_second=25, per_endpoint=25),
}
"""By mode. Source: https://docs.stripe.com/rate-limits."""

_OUR_ACCOUNT: Final = "default"


class _Shared:
    """Everything that needs no network, so that the two shells cannot differ in it."""

    def __init__(
        self,
        secret_key: str,
        transport: stripe.HTTPClient,
        *,
        webhook_secrets: Iterable[str],
        account: str,
        stripe_account: str | None,
        api_version: str,
        base_url: str | None,
        limits: RequestLimits | None,
    ) -> None:
        self._livemode = _livemode(secret_key)
        published = None if base_url else _LIMITS[self._livemode]
        self._capabilities = replace(_CAPABILITIES, limits=limits or published)
        self._webhook_secrets = _as_tuple(webhook_secrets)
        named = account != _OUR_ACCOUNT
        self._account = account if named else (stripe_account or _OUR_ACCOUNT)
        self._stripe_account = stripe_account
        self._api_version = api_version
        self._client = stripe.StripeClient(
            secret_key,
            stripe_account=stripe_account,
            stripe_version=api_version,
            base_addresses={"api": base_url.rstrip("/")} if base_url else {},
            max_network_retries=0,  # the engine repeats, with a record of every send
            http_client=transport,
        )

    @property
    def provider(self) -> str:
        """Always ``stripe``."""
        return "stripe"

    @property
    def account(self) -> str:
        """
        The account that is charged for, as it stands in the binding.

        The connected account's id if there is one and no other name was given, so that
        two connected accounts are never taken for one another.
        """
        return self._account

    @property
    def livemode(self) -> bool:
        """Whether the key is a live one, so that real money moves."""
        return self._livemode

    @property
    def capabilities(self) -> Capabilities:
        """Everything; idempotency keys are kept for 24 hours."""
        return self._capabilities

    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        """See `paykit.stripe.wire.prepare`."""
        return wire.prepare(request, idempotency_key, self._api_version)

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime, /) -> None:
        """See `paykit.stripe.webhook.verify`; any of the `webhook_secrets` will do."""
        webhook.verify(body, headers, now, self._webhook_secrets)

    def read_envelope(self, body: bytes, /) -> WebhookEnvelope:
        """See `paykit.stripe.webhook.read_envelope`."""
        return webhook.read_envelope(body, self._stripe_account)

    def read_event(self, body: bytes, /) -> PspEvent:
        """See `paykit.stripe.webhook.read_event`."""
        return webhook.read_event(body, self._api_version, self._stripe_account)

    @override
    def __repr__(self) -> str:
        mode = "live" if self._livemode else "test"
        return (
            f"{type(self).__name__}(account={self._account!r}, {mode}, "
            f"api_version={self._api_version!r})"
        )

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds a secret key and is not pickled or copied; "
            "make one in each process"
        )


class StripePsp(_Shared):
    """
    Stripe, for blocking applications. Share one between threads; `close` it at the end.

    `secret_key` is a secret or restricted key; its prefix tells live from test mode.
    `webhook_secrets` are the signing secrets of all endpoints that lead here.
    `stripe_account` is a connected account to act for. `base_url` is for a test server.
    `http_client` brings the host's own timeouts and proxies; the host closes it.
    `limits` are those that Stripe has agreed to; without it, they are its published
    ones, and none for a `base_url`.
    Raises `ValueError`, without showing it, if `secret_key` is not the shape of one.
    """

    def __init__(
        self,
        secret_key: str,
        *,
        webhook_secrets: Iterable[str] = (),
        account: str = _OUR_ACCOUNT,
        stripe_account: str | None = None,
        api_version: str = API_VERSION,
        base_url: str | None = None,
        http_client: httpx.Client | None = None,
        limits: RequestLimits | None = None,
    ) -> None:
        self._transport = SyncTransport(http_client)
        super().__init__(
            secret_key,
            self._transport,
            webhook_secrets=webhook_secrets,
            account=account,
            stripe_account=stripe_account,
            api_version=api_version,
            base_url=base_url,
            limits=limits,
        )

    def send(self, call: Call, /) -> Answer:
        """
        Send exactly `call`, and return what was heard.

        Raises only before anything is sent: `UsageError` for a write without its key,
        `ValueError` for a call that this adapter did not prepare.
        """
        plan = wire.read_call(call)
        exchange = Exchange(plan)
        while exchange.answer is None:
            try:
                exchange.hear(self._ask(plan, exchange.params))
            except Exception as error:  # law 3: whatever nobody foresaw is unknown
                return answer_from_error(error)
        return exchange.answer

    def close(self) -> None:
        """Close the connections, unless the host brought the client."""
        self._transport.close()

    def _ask(self, plan: wire.WireCall, params: wire.Params) -> Reply:
        response = self._client.raw_request(
            plan.method, plan.path, **params, **_options(plan)
        )
        return _reply(cast("stripe.StripeResponse", response))


class AsyncStripePsp(_Shared):
    """
    Stripe, for asyncio applications; see `StripePsp` for the parameters.

    May be used in several event loops, one after the other or at once: each has its own
    connections, which end with it.
    """

    def __init__(
        self,
        secret_key: str,
        *,
        webhook_secrets: Iterable[str] = (),
        account: str = _OUR_ACCOUNT,
        stripe_account: str | None = None,
        api_version: str = API_VERSION,
        base_url: str | None = None,
        http_client: httpx.AsyncClient | None = None,
        limits: RequestLimits | None = None,
    ) -> None:
        self._transport = AsyncTransport(http_client)
        super().__init__(
            secret_key,
            self._transport,
            webhook_secrets=webhook_secrets,
            account=account,
            stripe_account=stripe_account,
            api_version=api_version,
            base_url=base_url,
            limits=limits,
        )

    async def send(self, call: Call, /) -> Answer:
        """See `StripePsp.send`. A cancellation passes through: the outcome is open."""
        plan = wire.read_call(call)
        exchange = Exchange(plan)
        while exchange.answer is None:
            try:
                exchange.hear(await self._ask(plan, exchange.params))
            except Exception as error:  # law 3: whatever nobody foresaw is unknown
                return answer_from_error(error)
        return exchange.answer

    async def aclose(self) -> None:
        """Close the running loop's connections, unless the host brought the client."""
        await self._transport.close_async()

    async def _ask(self, plan: wire.WireCall, params: wire.Params) -> Reply:
        response = await self._client.raw_request_async(
            plan.method, plan.path, **params, **_options(plan)
        )
        return _reply(cast("stripe.StripeResponse", response))


def _options(plan: wire.WireCall) -> dict[str, str | None]:
    """Return what goes into headers; these names are the SDK's."""
    return {
        "idempotency_key": plan.idempotency_key,
        "stripe_version": plan.version,
    }


def _reply(response: stripe.StripeResponse) -> Reply:
    return Reply(
        data=response.data,
        request_id=response.request_id,
        replayed=response.headers.get("idempotent-replayed") == "true",
    )


def _livemode(secret_key: str) -> bool:
    key = _KEY.fullmatch(secret_key) if isinstance(secret_key, str) else None
    if key is None:
        raise ValueError(
            "not a secret key of Stripe: it starts with sk_test_, sk_live_, rk_test_ "
            "or rk_live_, and has no spaces around it"
        )
    return key["mode"] == "live"


def _as_tuple(webhook_secrets: Iterable[str]) -> tuple[str, ...]:
    if isinstance(webhook_secrets, str):  # its letters would be taken for secrets
        raise ValueError("webhook_secrets is a list of secrets, not one")
    return tuple(webhook_secrets)
