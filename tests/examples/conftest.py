"""The shops of `examples`, each behind the same few methods, with a local Stripe."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from paykit import AsyncWorker, Worker
from paykit.stripe import AsyncStripePsp, StripePsp
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer

__all__ = ["KEY", "Reply", "Shop", "Stripe"]

KEY: Final = "sk_test_examples"

Reply = tuple[int, dict[str, Any]]
"""A status and the JSON that came with it."""

Stripe = StripeServer


class Shop(Protocol):
    """One shop, over HTTP."""

    def get(self, path: str) -> Reply: ...
    def post(self, path: str, body: object, headers: Mapping[str, str]) -> Reply: ...
    def webhook(self, body: bytes, headers: Mapping[str, str]) -> int: ...
    def work(self) -> None: ...


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with StripeServer(SimulatedProvider()) as server:
        yield server


@pytest.fixture(params=["flask", "fastapi", "django"])
def shop(
    request: pytest.FixtureRequest,
    stripe: Stripe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    """Open each shop in turn, on a database of its own."""
    pytest.importorskip(request.param)
    monkeypatch.setenv("STRIPE_SECRET_KEY", KEY)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", stripe.sim.webhook_secret)
    monkeypatch.setenv("STRIPE_BASE_URL", stripe.url)
    opened: AbstractContextManager[Shop] = _OPEN[request.param](stripe, tmp_path)
    with opened as shop:
        yield shop


# -- Flask -----------------------------------------------------------------------------


class _FlaskShop:
    def __init__(self, client: Any, worker: Worker) -> None:
        self._client, self._worker = client, worker

    def get(self, path: str) -> Reply:
        response = self._client.get(path)
        return response.status_code, response.json

    def post(self, path: str, body: object, headers: Mapping[str, str]) -> Reply:
        response = self._client.post(path, json=body, headers=headers)
        return response.status_code, response.json

    def webhook(self, body: bytes, headers: Mapping[str, str]) -> int:
        response = self._client.post("/webhooks", data=body, headers=headers)
        return int(response.status_code)

    def work(self) -> None:
        self._worker.run_once()


@contextmanager
def _flask(stripe: Stripe, folder: Path) -> Iterator[Shop]:
    from examples.flask_shop import app as example

    engine = create_engine(f"sqlite:///{folder}/shop.db")
    example.create_tables(engine)
    psp = StripePsp(
        KEY, webhook_secrets=[stripe.sim.webhook_secret], base_url=stripe.url
    )
    service = example.make_service(engine, psp)
    client = example.create_app(engine, service).test_client()
    try:
        yield _FlaskShop(client, Worker(service))
    finally:
        psp.close()
        engine.dispose()


# -- FastAPI ---------------------------------------------------------------------------


class _FastapiShop:
    def __init__(
        self, runner: asyncio.Runner, client: httpx.AsyncClient, worker: AsyncWorker
    ) -> None:
        self._run, self._client, self._worker = runner.run, client, worker

    def get(self, path: str) -> Reply:
        response = self._run(self._client.get(path))
        return response.status_code, response.json()

    def post(self, path: str, body: object, headers: Mapping[str, str]) -> Reply:
        response = self._run(self._client.post(path, json=body, headers=headers))
        return response.status_code, response.json()

    def webhook(self, body: bytes, headers: Mapping[str, str]) -> int:
        posting = self._client.post("/webhooks", content=body, headers=headers)
        return self._run(posting).status_code

    def work(self) -> None:
        self._run(self._worker.run_once())


@contextmanager
def _fastapi(stripe: Stripe, folder: Path) -> Iterator[Shop]:
    from examples.fastapi_shop import app as example

    url = f"sqlite+aiosqlite:///{folder}/shop.db"
    example.create_tables(url)
    engine = create_async_engine(url)
    psp = AsyncStripePsp(
        KEY, webhook_secrets=[stripe.sim.webhook_secret], base_url=stripe.url
    )
    service = example.make_service(engine, psp)
    transport = httpx.ASGITransport(example.create_app(engine, service))
    client = httpx.AsyncClient(transport=transport, base_url="http://shop")
    with asyncio.Runner() as runner:
        try:
            yield _FastapiShop(runner, client, AsyncWorker(service))
        finally:
            for closing in (client.aclose(), psp.aclose(), engine.dispose()):
                runner.run(closing)


# -- Django ----------------------------------------------------------------------------


class _DjangoShop:
    def __init__(self, client: Any, worker: Worker) -> None:
        self._client, self._worker = client, worker

    def get(self, path: str) -> Reply:
        response = self._client.get(path)
        return response.status_code, response.json()

    def post(self, path: str, body: object, headers: Mapping[str, str]) -> Reply:
        response = self._client.post(
            path, body, content_type="application/json", headers=headers
        )
        return response.status_code, response.json()

    def webhook(self, body: bytes, headers: Mapping[str, str]) -> int:
        response = self._client.post(
            "/webhooks", body, content_type="application/json", headers=headers
        )
        return int(response.status_code)

    def work(self) -> None:
        self._worker.run_once()


@contextmanager
def _django(stripe: Stripe, folder: Path) -> Iterator[Shop]:
    example: Any = importlib.import_module("examples.django_shop.app")
    test: Any = importlib.import_module("django.test")
    # Django is configured once in a process; each test gets another file.
    example.connection.close()
    example.DATABASE = f"{folder}/shop.db"
    example.connection.settings_dict["NAME"] = example.DATABASE
    example.service.cache_clear()
    example.create_order_table()
    service = example.service()
    try:
        yield _DjangoShop(test.Client(), Worker(service))
    finally:
        example.connection.close()
        service.engine.env.psps.for_merchant("default").close()
        service.driver.database.dispose()


_OPEN: Final[Mapping[str, Any]] = {
    "flask": _flask,
    "fastapi": _fastapi,
    "django": _django,
}
