from __future__ import annotations

import pytest
from pydantic import SecretStr

from host_channel_responses.errors import WireError
from host_channel_responses.principals import Principals


def keyed(**keys: str) -> Principals:
    return Principals({name: SecretStr(key) for name, key in keys.items()}, allow_anonymous=False)


def status(
    principals: Principals, authorization: str | None = None, client: str | None = "127.0.0.1", origin=None
) -> int:
    with pytest.raises(WireError) as refused:
        principals.identify(authorization, client, origin)
    return refused.value.status


def test_a_key_is_one_principal_whatever_its_position() -> None:
    assert keyed(ann="k1", bob="k2").identify("Bearer k2", "8.8.8.8", None) == "key:bob"
    listed = {"#1": SecretStr("k1"), "#2": SecretStr("k2")}
    swapped = {"#1": SecretStr("k2"), "#2": SecretStr("k1")}
    first = Principals(listed, allow_anonymous=False).identify("bearer k2", None, None)
    assert first == Principals(swapped, allow_anonymous=False).identify("Bearer  k2 ", None, None)
    assert "k2" not in first


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer k3", "Basic k1", "k1", "Bearer k\u00e9"])
def test_what_is_no_key_is_refused(header: str | None) -> None:
    assert status(keyed(ann="k1"), header) == 401


@pytest.mark.requirement("responses.anonymous")
@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_without_keys_loopback_is_one_anonymous_principal(client: str) -> None:
    principals = Principals(None, allow_anonymous=False)
    assert principals.identify("Bearer anything", client, None) == "anonymous"
    assert principals.identify(None, client, "http://localhost:5173") == "anonymous"


@pytest.mark.requirement("responses.anonymous")
@pytest.mark.parametrize("client", ["10.0.0.1", "8.8.8.8", "::ffff:10.0.0.1", "testclient", "", None])
def test_without_keys_nobody_else_is_served(client: str | None) -> None:
    assert status(Principals(None, allow_anonymous=False), "Bearer x", client) == 403
    assert Principals(None, allow_anonymous=True).identify(None, client, "https://site.example") == "anonymous"


def test_without_keys_other_sites_are_refused() -> None:
    assert status(Principals(None, allow_anonymous=False), origin="https://site.example") == 403
    assert status(Principals(None, allow_anonymous=False), origin="null") == 403
    assert status(Principals(None, allow_anonymous=False), origin="http://[") == 403
