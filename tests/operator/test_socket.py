"""The socket of a live host, and what an operator is told when there is none."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("operator.socket")]


async def test_only_the_owner_can_open_the_socket_which_goes_with_the_host(site) -> None:
    site.state.mkdir(mode=0o755)
    await site.start()
    found = (site.state / "control.sock").stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert sorted(each.name for each in site.state.iterdir()) == ["control.sock", "runner"]
    await site.stop()
    assert not (site.state / "control.sock").exists()


async def test_the_socket_of_a_killed_host_is_replaced(site) -> None:
    await site.start()
    await site.stop(signal.SIGKILL)
    before = (site.state / "control.sock").stat().st_ino
    await site.start()
    assert (site.state / "control.sock").stat().st_ino != before
    assert (await site.asked("deliveries", "list"))["deliveries"] == []


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\xfe garbage\n",
        b"[" * 100_000 + b"\n",
        b'{"operation":"deliveries.wipe"}\n',
        b'{"operation":"deliveries.list","limit":100000}\n',
        b'{"operation":"deliveries.drop","ids":[{}]}\n',
        b'{"operation":"deliveries.list","shell":"rm"}\n',
        b"x" * 1_000_000,
        b"",
    ],
    ids=["bytes", "nested", "unknown", "too many", "wrong type", "unknown field", "too long", "nothing"],
)
async def test_what_is_no_request_is_refused_in_a_sentence_and_does_no_harm(site, sent: bytes) -> None:
    await site.start()
    reader, writer = await asyncio.open_unix_connection(site.state / "control.sock")
    try:
        writer.write(sent)
        writer.write_eof()
        await writer.drain()
        answer = await reader.read()
    except ConnectionError:
        answer = b'{"refused":"cut off"}'  # the host stopped reading what was too long
    finally:
        writer.close()
    assert list(json.loads(answer)) == ["refused"]
    assert (await site.asked("deliveries", "list"))["deliveries"] == []
    assert "Traceback" not in await site.stop()


async def test_a_path_too_long_for_a_socket_is_named_and_the_host_runs(site) -> None:
    deep = site.folder / ("d" * 60) / ("e" * 60)
    config = site.folder / "host.toml"
    config.write_text(config.read_text().replace('".agent-host"', f'"{deep}"'))
    await site.start()
    assert (await site.say("hello"))["text"] == "1: hello"
    refused = await site.operate("deliveries", "list")
    assert refused.code == 1
    assert f"is in use by the process with pid {site.process.pid}" in refused.err
    assert refused.err.count("Error") == 1
    assert "cannot operate this host while it runs" in await site.stop()
    assert (await site.asked("deliveries", "list"))["deliveries"] == []


async def test_another_user_s_socket_is_no_way_in(site) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may open every socket")
    await site.start()
    (site.state / "control.sock").chmod(0)
    refused = await site.operate("deliveries", "list")
    assert (refused.code, "Run the command as the user the host runs as" in refused.err) == (1, True)


@pytest.mark.requirement("cli.exit-codes")
async def test_state_that_is_not_there_is_one_sentence(site) -> None:
    for arguments, sentence in (
        (("deliveries", "list"), "There is no state directory .agent-host."),
        (("trace", "x", "--state-dir", "gone"), "There is no state directory gone."),
        (("links", "list", "--state-dir", str(site.folder)), "There is no state in "),
    ):
        done = await site.operate(*arguments)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"Error: {sentence}"), done.err
    assert not site.state.exists()
    assert sorted(each.name for each in site.folder.iterdir()) == ["app.py", "host.toml"]
    (site.folder / "host.toml").write_text('target = "app:agent"\n[channels.echo]\n')
    done = await site.operate("identities", "list")
    assert (done.code, done.err.startswith("Error: host.toml names no state_dir, so state is kept in memory")) == (
        1,
        True,
    )
    assert (await site.operate("deliveries", "replay")).code == 2
    assert (await site.operate("deliveries", "list", "--since", "soon")).code == 2
