"""The session with curl in the guide does what the guide says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import httpx
import pytest

from paykit.testing.stripe_server import StripeServer
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "howto" / "local-stripe.md"


def commands() -> list[str]:
    """The lines that begin with curl, in their order."""
    shell = [block.text for block in blocks(PAGE) if block.language == "sh"]
    return [line for line in "".join(shell).splitlines() if line.startswith("curl ")]


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with StripeServer() as server:
        yield server


def curl(server: StripeServer, line: str, reference: str) -> httpx.Response:
    """Do what curl would: credentials, headers, and a form if there is data."""
    line = line.replace("$STRIPE", server.url).replace("$ID", reference)
    words = shlex.split(line)[1:]
    url = words.pop(0)
    given: dict[str, list[str]] = {"-u": [], "-H": [], "-d": []}
    for option, value in zip(words[::2], words[1::2], strict=True):
        given[option].append(value)
    [user] = given["-u"]
    return httpx.request(
        "POST" if given["-d"] else "GET",
        url,
        auth=(user.rstrip(":"), ""),
        headers=dict(re.split(": *", header, maxsplit=1) for header in given["-H"]),
        data=dict(item.split("=", 1) for item in given["-d"]) or None,
        timeout=20,
    )


def test_the_session_with_curl_is_true(server: StripeServer) -> None:
    create, lose, again, refund, events, effects = commands()
    made = curl(server, create, "").json()
    assert (made["status"], made["amount_capturable"]) == ("requires_capture", 4200)
    with pytest.raises(httpx.RemoteProtocolError):
        curl(server, lose, made["id"])
    captured = curl(server, again, made["id"])
    assert captured.headers["Idempotent-Replayed"] == "true"
    assert captured.json()["amount_received"] == 4000
    assert curl(server, refund, made["id"]).json()["status"] == "succeeded"
    assert len(curl(server, events, "").json()["data"]) == 3
    assert curl(server, effects, "").json()["captured"] == {made["id"]: 4000}
