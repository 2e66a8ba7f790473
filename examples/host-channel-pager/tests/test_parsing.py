"""The platform's payloads, as recorded and as they should never be."""

import json

import pytest
from host_channel_pager.parsing import BadPage, parse


def test_a_page_becomes_a_request():
    request = parse("pager", b'{"event": "e1", "pager": "ada", "text": "Hello.", "battery": 0.5}')
    assert (request.input, request.event_id) == ("Hello.", "e1")
    assert (request.identity.channel, request.identity.native_id) == ("pager", "ada")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", json.dumps({"event": "e", "pager": 7, "text": ""}).encode()]
)
def test_anything_else_is_refused(body):
    with pytest.raises(BadPage):
        parse("pager", body)
