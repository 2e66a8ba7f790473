"""``agent-host demo``: a bundled offline agent on the Responses channel."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from dataclasses import dataclass, field

import click

from ..errors import HostingError, PluginError
from ..host import AgentFrameworkHost
from ..plugins.discovery import installed_channels, load_channel_class
from .banner import banner
from .listener import hypercorn_bind, open_listener, url_of
from .logs import configure_logging, server_log
from .options import debug_option, is_debug

QUESTION = "Hello! My name is Ada."
_TIMEOUT_SECONDS = 60
_EXAMPLES = """\b
Examples:
  agent-host demo
  agent-host demo --port 9000
  agent-host demo --check
"""


@click.command("demo", epilog=_EXAMPLES)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--check", is_flag=True, help="Ask one question through a free port, print the answer, and exit.")
@debug_option
def command(port: int, check: bool) -> None:
    """Serve a bundled offline agent on the Responses channel.

    Needs no key, no file and no network, and keeps nothing. It listens on 127.0.0.1 only.
    """
    configure_logging(debug=is_debug(), quiet=check)
    host = demo_host()
    listener = open_listener("127.0.0.1", 0 if check else port)
    url = url_of(listener)
    bind = hypercorn_bind(listener)
    if not check:
        click.echo(f"{banner(host, url, state='in memory')}\n\nTry it:\n\n{curl_line(url)}\n")
        host.serve(bind=bind, errorlog=server_log())
        return
    exchange = Exchange(url)
    exchange.start()
    host.serve(bind=bind, errorlog=server_log())
    click.echo(exchange.report())


def demo_host() -> AgentFrameworkHost:
    """Return the demo's host, configured by no file and no variable. Raises ``PluginError`` without the channel."""
    if not any(plugin.name == "responses" for plugin in installed_channels()):
        raise PluginError("The demo needs the Responses channel: pip install host-channel-responses")
    channel = load_channel_class("responses")
    from .demo_agent import demo_agent  # noqa: PLC0415 - the agent framework is heavy, and the sentence above is quick

    return AgentFrameworkHost(demo_agent(), channels=[channel()], config={}, runtime_mode="long_running")


def curl_line(url: str) -> str:
    """Return a line to paste into a shell."""
    body = json.dumps({"model": "demo", "input": QUESTION})
    return f"curl -s {url}/v1/responses -H 'content-type: application/json' -d '{body}'"


@dataclass
class Exchange:
    """One question over HTTP, asked by a thread while the server runs; then the server is told to stop."""

    url: str
    text: str | None = None
    trouble: str = "no answer came"
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Ask in the background."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def report(self) -> str:
        """Return question and answer; raises ``HostingError`` when there is no answer."""
        if self._thread is not None:
            self._thread.join()
        if self.text is None:
            raise HostingError(f"The demo at {self.url} gave no answer: {self.trouble}.")
        return f"Asked:    {QUESTION}\nAnswered: {self.text}"

    def _run(self) -> None:
        try:
            self.text = ask(self.url)
        except (OSError, http.client.HTTPException, LookupError, ValueError, TypeError) as error:
            self.trouble = f"{type(error).__name__}: {error}"
        finally:
            signal.raise_signal(signal.SIGINT)


def ask(url: str) -> str:
    """Send the question to a Responses API and return the text of the answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_TIMEOUT_SECONDS)
    try:
        body = json.dumps({"model": "demo", "input": QUESTION})
        connection.request("POST", "/v1/responses", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    items = json.loads(content)["output"]
    return "".join(part["text"] for item in items if item["type"] == "message" for part in item["content"])
