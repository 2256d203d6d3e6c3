"""One server for many: the key says whose request it is, and nobody sees the others."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import pytest

from paykit.testing.stripe_server import StripeServer
from paykit.testing.stripe_server.keys import ApiKey, read_key

PAYMENT = {"amount": "1000", "currency": "usd"}


@pytest.fixture(scope="module")
def server() -> Iterator[StripeServer]:
    with StripeServer() as server:
        yield server


def client(server: StripeServer, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.Client(base_url=server.url, headers=headers, timeout=20)


def create(http: httpx.Client, key: str = "k") -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return http.post("/v1/payment_intents", data=PAYMENT, headers=headers)


def payments(http: httpx.Client) -> list[str]:
    return [row["id"] for row in http.get("/v1/payment_intents").json()["data"]]


def test_tenants_do_not_see_one_another(server: StripeServer) -> None:
    with client(server, "sk_test_a") as a, client(server, "sk_test_b") as b:
        mine, theirs = create(a), create(b)
        assert "Idempotent-Replayed" not in theirs.headers
        assert payments(a) == [mine.json()["id"]]
        assert payments(b) == [theirs.json()["id"]]
        assert mine.json()["id"] != theirs.json()["id"]
        path = f"/v1/payment_intents/{mine.json()['id']}"
        assert b.get(path).status_code == 404


def test_the_same_key_is_the_same_tenant(server: StripeServer) -> None:
    with client(server, "sk_test_c") as one, client(server, "sk_test_c") as two:
        assert payments(two) == [] == payments(one)
        made = create(one).json()["id"]
        assert payments(two) == [made]


def test_a_publishable_key_is_the_tenants(server: StripeServer) -> None:
    with client(server, "sk_test_d") as shop, client(server, "pk_test_d") as browser:
        made = create(shop).json()
        path = f"/v1/payment_intents/{made['id']}"
        secret = {"client_secret": made["client_secret"]}
        assert browser.get(path, params=secret).status_code == 200
        assert browser.get("/v1/payment_intents").status_code != 200
    with client(server, "pk_test_e") as stranger:
        assert stranger.get(path, params=secret).status_code == 404


def test_a_tenants_provider_is_at_hand_in_the_process(server: StripeServer) -> None:
    with client(server, "sk_test_f") as http:
        made = create(http).json()["id"]
    assert server.tenant("f").intent(made).amount == 1000
    assert server.tenant("f") is not server.sim


def test_controls_are_for_the_tenant_whose_key_they_have(server: StripeServer) -> None:
    with client(server, "sk_test_g") as g, client(server, "sk_test_h") as h:
        create(g)
        kept = create(h).json()["id"]
        g.post("/_test/faults", json={"fault": "error_before", "times": None})
        assert (create(g).status_code, create(h).status_code) == (500, 200)
        assert g.post("/_test/reset").status_code == 200
        assert payments(g) == []
        assert payments(h) == [kept]
        assert "Idempotent-Replayed" not in create(g).headers


def test_ids_are_not_given_again_after_a_reset(server: StripeServer) -> None:
    with client(server, "sk_test_i") as http:
        before = create(http).json()["id"]
        http.post("/_test/reset")
        assert create(http).json()["id"] != before


def test_a_control_without_a_key_is_for_the_only_tenant(server: StripeServer) -> None:
    with StripeServer() as alone:
        with client(alone, "sk_test_only") as http:
            made = create(http).json()["id"]
        with client(alone, "") as nobody:
            assert made in nobody.get("/_test/effects").text
    with client(server, "") as nobody:
        server.tenant("a"), server.tenant("b")
        refused = nobody.get("/_test/effects")
        assert refused.status_code == 400
        assert "several tenants" in refused.json()["error"]


@pytest.mark.parametrize("key", ["sk_live_x", "sk_test_", "whsec_x", "sk_test_a b", ""])
def test_what_is_no_test_key_opens_nothing(server: StripeServer, key: str) -> None:
    with client(server, key) as http:
        assert http.get("/v1/events").status_code == 401


@pytest.mark.parametrize(
    ("authorization", "key"),
    [
        ("Bearer sk_test_x", ApiKey("x", False)),
        ("bearer rk_test_x", ApiKey("x", False)),
        ("Bearer pk_test_x", ApiKey("x", True)),
        ("Basic " + base64.b64encode(b"sk_test_x:").decode(), ApiKey("x", False)),
        ("Basic !", None),
        ("Basic /w==", None),
    ],
)
def test_a_key_comes_as_a_bearers_or_as_a_users_name(
    authorization: str, key: ApiKey | None
) -> None:
    assert read_key({"authorization": authorization}) == key
