"""Requests are compared with the parameters that the installed Stripe SDK declares."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from paykit.testing.stripe_server import checking
from paykit.testing.stripe_server.forms import decode_form
from paykit.testing.stripe_server.routes import ROUTES, Route, find_route
from tests.testing.simulated import held
from tests.testing.stripe_sdk import TEST_KEY, served
from tests.testing.worlds import StillWorld

PAYMENT = "amount=1000&currency=usd"


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


@pytest.fixture
def http(sim: SimulatedProvider) -> Iterator[httpx.Client]:
    with (
        served(sim) as server,
        httpx.Client(
            base_url=f"{server.url}/v1/",
            headers={"Authorization": f"Bearer {TEST_KEY}"},
        ) as client,
    ):
        yield client


def error_of(reply: httpx.Response) -> tuple[int, str | None, str | None]:
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    return reply.status_code, error.get("code"), error.get("param")


def post(http: httpx.Client, path: str, form: str) -> httpx.Response:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return http.post(path, content=form, headers=headers)


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        (f"{PAYMENT}&foo=1", "parameter_unknown", "foo"),
        (
            f"{PAYMENT}&automatic_payment_methods[foo]=1",
            "parameter_unknown",
            "automatic_payment_methods[foo]",
        ),
        (
            f"{PAYMENT}&payment_method_options[card][request_multi]=if_available",
            "parameter_unknown",
            "payment_method_options[card][request_multi]",
        ),
        (
            f"{PAYMENT}&payment_method_types[]=card",
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        ("currency=usd", "parameter_missing", "amount"),
        (
            f"{PAYMENT}&transfer_data[amount]=5",
            "parameter_missing",
            "transfer_data[destination]",
        ),
        ("amount=ten&currency=usd", "parameter_invalid_integer", "amount"),
        (
            f"{PAYMENT}&transfer_data[destination]=acct_1&transfer_data[amount]=1.5",
            "parameter_invalid_integer",
            "transfer_data[amount]",
        ),
        (f"{PAYMENT}&description=", "parameter_invalid_empty", "description"),
        (f"{PAYMENT}&confirm=perhaps", None, "confirm"),
        (
            f"{PAYMENT}&payment_method_options[card][capture_method]=never",
            None,
            "payment_method_options[card][capture_method]",
        ),
        # Metadata can be unset by an update, not by a creation.
        (f"{PAYMENT}&metadata=", "parameter_invalid_empty", "metadata"),
        (f"{PAYMENT}&automatic_payment_methods=yes", None, "automatic_payment_methods"),
        (f"{PAYMENT}&expand=latest_charge", None, "expand"),
        (f"{PAYMENT}&customer[id]=cus_1", None, "customer"),
        (f"{PAYMENT}&description[]=a&description[]=b", None, "description"),
    ],
)
def test_what_the_sdk_does_not_declare_is_refused(
    http: httpx.Client, form: str, code: str | None, param: str
) -> None:
    assert error_of(post(http, "payment_intents", form)) == (400, code, param)


def test_all_unknown_parameters_are_named(http: httpx.Client) -> None:
    error = post(http, "payment_intents", f"{PAYMENT}&foo=1&bar=2").json()["error"]
    assert error["message"] == "Received unknown parameters: foo, bar"


@pytest.mark.parametrize(
    "form",
    [
        PAYMENT,
        f"{PAYMENT}&metadata[any_name]=7&metadata[order]=8",
        # The SDK leaves this one open: Stripe may add a word to it.
        f"{PAYMENT}&confirmation_method=manual",
        f"{PAYMENT}&off_session=recurring&confirm=false",
        f"{PAYMENT}&setup_future_usage=off_session&statement_descriptor_suffix=SHOP",
        f"{PAYMENT}&payment_method_options[card][request_multicapture]=if_available",
        f"{PAYMENT}&transfer_data[destination]=acct_1&transfer_data[amount]=5",
        f"{PAYMENT}&expand[]=latest_charge&expand[]=customer",
    ],
)
def test_what_the_sdk_declares_goes_through(http: httpx.Client, form: str) -> None:
    assert post(http, "payment_intents", form).status_code == 200


def test_queries_are_checked_like_bodies(http: httpx.Client) -> None:
    assert http.get("payment_intents?created[gte]=1&limit=3").status_code == 200
    found = error_of(http.get("payment_intents?created[since]=1"))
    assert found == (400, "parameter_unknown", "created[since]")


def test_each_endpoint_has_its_own_parameters(
    http: httpx.Client, sim: SimulatedProvider
) -> None:
    payment = held(sim)
    found = error_of(post(http, f"payment_intents/{payment}/capture", "amount=5"))
    assert found == (400, "parameter_unknown", "amount")
    form = "cancellation_reason=void_invoice"
    found = error_of(post(http, f"payment_intents/{payment}/cancel", form))
    assert found == (400, None, "cancellation_reason")


def test_what_was_refused_was_not_executed(
    http: httpx.Client, sim: SimulatedProvider
) -> None:
    post(http, "payment_intents", f"{PAYMENT}&foo=1")
    assert sim.events() == []


@pytest.mark.parametrize(("method", "pattern"), ROUTES)
def test_every_endpoint_is_found_in_the_sdk(method: str, pattern: str) -> None:
    route = find_route(method, f"/v1/{pattern.replace('*', 'xx_1')}")
    assert route is not None
    assert (route.method, route.pattern) == (method, pattern)
    # An unknown parameter is refused only where the SDK's parameters are known.
    with pytest.raises(ProviderError) as caught:
        checking.check_request({}, route, decode_form("no_such_parameter=1"))
    assert caught.value.code == "parameter_unknown"


def test_without_the_sdk_nothing_is_checked_and_that_is_said_once() -> None:
    program = """
import sys
sys.modules["stripe"] = None
from paykit.testing.stripe_server.checking import check_request
from paykit.testing.stripe_server.routes import find_route
for path in ("/v1/payment_intents", "/v1/refunds"):
    check_request({}, find_route("POST", path), {"no_such_parameter": "1"})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("stripe package is not installed") == 1


@pytest.mark.parametrize(
    "module", ["paykit.testing.simulated", "paykit.testing.stripe_server"]
)
def test_the_sdk_is_not_imported_before_it_is_needed(module: str) -> None:
    program = f"import sys, {module}; print('stripe' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_an_update_may_unset_what_a_creation_may_not(
    http: httpx.Client, sim: SimulatedProvider
) -> None:
    payment = post(http, "payment_intents", f"{PAYMENT}&metadata[a]=1").json()["id"]
    assert post(http, f"payment_intents/{payment}", "metadata=").status_code == 200
    assert sim.intent(payment).metadata == {}


def test_a_group_within_a_list_is_checked_too() -> None:
    route = Route("POST", "payment_intents", "create_payment", "")
    form = f"{PAYMENT}&amount_details[line_items][0][no_such]=1"
    with pytest.raises(ProviderError) as caught:
        checking.check_request({}, route, decode_form(form))
    assert caught.value.param == "amount_details[line_items][0][no_such]"
