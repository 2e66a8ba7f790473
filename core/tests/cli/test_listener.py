from __future__ import annotations

import socket

import pytest

from agent_framework_hosting.cli.listener import open_listener, url_of
from agent_framework_hosting.errors import HostConfigurationError


def test_a_free_port_is_taken_and_shown() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    with open_listener("0.0.0.0", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
    with open_listener("localhost", 0) as listener:
        assert url_of(listener).startswith("http://127.0.0.1:")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "a..b", "x" * 300])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(HostConfigurationError, match="is no address of this machine"):
        open_listener(host, 0)


def test_a_port_in_use_names_the_next_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostConfigurationError, match=f"Port {port} on 127.0.0.1 is in use"):
            open_listener("127.0.0.1", port)
