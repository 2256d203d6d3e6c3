"""What the SDK reports about the host, and the file that it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import stripe

from paykit.psp import Answer
from paykit.stripe import AsyncStripePsp, StripePsp
from tests.sdk_facts.clients import CONFIRM, KEY, Colour, Sdk, confirm
from tests.sdk_facts.stub import Heard, Stub

REPORT = "x-stripe-client-telemetry"

AGENTS = (
    "ANTIGRAVITY_CLI_ALIAS",
    "CLAUDECODE",
    "CLINE_ACTIVE",
    "CODEX_SANDBOX",
    "CODEX_THREAD_ID",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "CODEX_CI",
    "CURSOR_AGENT",
    "GEMINI_CLI",
    "HERMES_AGENT",
    "OPENCLAW_SHELL",
    "OPENCODE",
)
"""What the SDK looks for in the environment."""


@pytest.fixture
def reporting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry as it is unless it is switched off."""
    monkeypatch.setattr(stripe, "enable_telemetry", True)


def agent_of(heard: Heard) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(heard.headers["x-stripe-client-user-agent"])
    return told


@pytest.mark.usefixtures("reporting")
def test_a_second_request_reports_on_the_first(stub: Stub, sdk: Sdk) -> None:
    confirm(sdk)
    confirm(sdk)
    first, second = stub.heard
    assert REPORT not in first.headers
    told = json.loads(second.headers[REPORT])["last_request_metrics"]
    assert told["request_id"] == "req_stub"
    assert "request_duration_ms" in told


@pytest.mark.usefixtures("reporting")
def test_the_platform_is_reported(stub: Stub, sdk: Sdk) -> None:
    confirm(sdk)
    assert "platform" in agent_of(stub.heard[0])


def test_nothing_is_reported_if_it_is_switched_off(stub: Stub, sdk: Sdk) -> None:
    confirm(sdk)
    confirm(sdk)
    for heard in stub.heard:
        assert REPORT not in heard.headers
        assert not {"platform", "telemetry_id"} & agent_of(heard).keys()


@pytest.mark.usefixtures("reporting")
def test_paykits_transports_report_on_no_request(stub: Stub, colour: Colour) -> None:
    if colour == "sync":
        psp = StripePsp(KEY, base_url=stub.url)
        for _ in range(2):
            psp.send(psp.prepare(CONFIRM, "key-1"))
        psp.close()
    else:
        asyncio_twice(stub)
    assert len(stub.heard) == 2
    assert all(REPORT not in heard.headers for heard in stub.heard)


def asyncio_twice(stub: Stub) -> None:
    import asyncio

    async def twice() -> list[Answer]:
        psp = AsyncStripePsp(KEY, base_url=stub.url)
        return [await psp.send(psp.prepare(CONFIRM, "key-1")) for _ in range(2)]

    asyncio.run(twice())


# --- what needs a process of its own --------------------------------------------------

ASK = """
import stripe
stripe.enable_telemetry = {telemetry}
client = stripe.StripeClient({key!r}, base_addresses=dict(api={url!r}))
client.v1.payment_intents.retrieve("pi_test")
"""


def run(program: str, home: Path, **environment: str) -> str:
    """Run `program` with a home directory of its own; return what it says to stderr."""
    known = {name: text for name, text in os.environ.items() if name not in AGENTS}
    here = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), **environment}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=known | here,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.parametrize("telemetry", [True, False])
def test_a_file_names_this_machine_if_telemetry_is_on(
    stub: Stub, tmp_path: Path, telemetry: bool
) -> None:
    run(ASK.format(telemetry=telemetry, key=KEY, url=stub.url), tmp_path)
    written = tmp_path / "stripe" / "telemetry_id"
    assert written.exists() is telemetry
    assert ("telemetry_id" in agent_of(stub.heard[0])) is telemetry
    if telemetry:
        assert agent_of(stub.heard[0])["telemetry_id"] == written.read_text().strip()


def test_an_agent_in_the_environment_is_reported_and_greeted(
    stub: Stub, tmp_path: Path
) -> None:
    ask = ASK.format(telemetry=False, key=KEY, url=stub.url)
    assert run(ask, tmp_path) == ""
    assert run(ask, tmp_path, CLAUDECODE="1") != ""
    assert [agent_of(heard).get("ai_agent") for heard in stub.heard] == [
        None,
        "claude_code",
    ]


def test_the_name_of_an_application_is_global_to_the_process(
    stub: Stub, sdk: Sdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "app_info", None)
    stripe.set_app_info("a-shop", version="1.0")
    confirm(sdk)
    assert " a-shop/1.0" in stub.heard[0].headers["user-agent"]
