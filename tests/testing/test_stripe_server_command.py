"""``paykit stripe-server`` as somebody types it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from paykit.testing.stripe_server.__main__ import main
from tests.testing.webhook_endpoint import listening

COMMAND = [sys.executable, "-m", "paykit.cli", "stripe-server"]
KEY = {"Authorization": "Bearer sk_test_command"}
PAYMENT = {"amount": "1000", "currency": "usd"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_one_line_and_ends_on_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with (
            httpx.Client(base_url=url, headers=KEY, timeout=20) as http,
            socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), 20),
        ):
            assert http.get("/v1/events").status_code == 200
            # Both connections are open, one of them in the middle of nothing.
            process.send_signal(number)
            rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "in use" in capsys.readouterr().err


def test_a_state_that_is_none_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious\n")
    assert main(["--state", str(path)]) == 1
    assert "not the state" in capsys.readouterr().err
    assert path.read_text() == "precious\n"


@pytest.mark.parametrize("limits", ["many", "0", "1/0"])
def test_limits_that_are_none_are_wrong_use(limits: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--limits", limits])
    assert ended.value.code == 2


def test_every_option_has_its_effect(tmp_path: Path) -> None:
    state = tmp_path / "stripe.state"
    with listening() as endpoint:
        options = ["--state", str(state), "--limits", "1/1", "--host", "127.0.0.1"]
        hooks = ["--webhook-url", endpoint.url, "--webhook-secret", "whsec_command"]
        chance = ["--seed", "1", "--duplicate", "1.0", "--delay", "0.01"]
        command = [*COMMAND, *options, *hooks, *chance]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with (
                httpx.Client(base_url=url, headers=KEY, timeout=20) as http,
                ThreadPoolExecutor(16) as crowd,
            ):
                pay = partial(http.post, "/v1/payment_intents", data=PAYMENT)
                work = [crowd.submit(pay) for _ in range(16)]
                answers = [one.result() for one in work]
            first, again = (endpoint.received.get(timeout=20) for _ in range(2))
            process.terminate()
    assert first[1] == again[1]
    assert {answer.status_code for answer in answers} == {200, 429}
    made = [answer.json()["id"] for answer in answers if answer.status_code == 200]
    assert all(reference in state.read_text() for reference in made)
