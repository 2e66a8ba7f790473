"""A channel written outside of the repository, built as a wheel, installed beside host-core's and enabled by name."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from agent_framework_hosting.testing import HttpInbox, listening

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

ROOT = Path(__file__).resolve().parents[2]

PROJECT = """
[project]
name = "outside-webhook"
version = "1.2.3"
dependencies = ["host-core>=0.1", "httpx2"]

[project.entry-points."agent_framework_hosting.channels"]
webhook = "my_package:WebhookChannel"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["my_package"]
"""

CHANNEL = """
from agent_framework_hosting import (Channel, ChannelContext, ChannelContribution, ChannelIdentity, ChannelRequest,
                                     HostedRunResult, hookimpl, result_text)
import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

class WebhookChannel(Channel):
    name = "webhook"

    def __init__(self, *, path: str = "/webhook") -> None:
        self.path = path

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        async def inbound(http: Request) -> JSONResponse:
            body = await http.json()
            outcome = await context.dispatch(ChannelRequest(
                channel=self.name, operation="message.create", input=body["text"],
                identity=ChannelIdentity(self.name, body["user"], {"callback": body.get("callback")})))
            return JSONResponse(outcome.to_public_dict(), status_code=outcome.status_code)
        return ChannelContribution(routes=[Route("/", inbound, methods=["POST"])])

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> None:
        async with httpx2.AsyncClient() as http:
            answer = await http.post(identity.attributes["callback"], json={"text": result_text(payload)})
            answer.raise_for_status()          # raising means: retry
"""

APP = """
from dataclasses import replace

from agent_framework_hosting import AgentFrameworkHost, ChannelIdentity, ResponseTarget, hookimpl
from agent_framework_hosting.testing import EchoAgent

class Forward:
    @hookimpl
    def run_hook(self, request):
        if request.input.startswith("forward"):
            bob = ChannelIdentity("webhook", "bob", request.identity.attributes)
            return replace(request, response_target=ResponseTarget.identity(bob))

agent = EchoAgent()
host = AgentFrameworkHost(agent, channels=["webhook"], plugins=[Forward()], config={})
"""


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=100)


def wheel_of(project: Path) -> Path:
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", project / "dist", cwd=project)
    assert done.returncode == 0, done.stderr
    [wheel] = (project / "dist").glob("*.whl")
    return wheel


def write_project(folder: Path, changes: dict[str, str], name: str = "outside-webhook") -> Path:
    """Write the sample, with pieces of its text replaced."""
    project, channel = PROJECT.replace("outside-webhook", name), CHANNEL
    for old, new in changes.items():
        assert old in project + channel
        project, channel = project.replace(old, new), channel.replace(old, new)
    (folder / "my_package").mkdir(parents=True)
    (folder / "my_package" / "__init__.py").write_text(channel)
    (folder / "pyproject.toml").write_text(project)
    return folder


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with host-core's wheel; what host-core depends on is borrowed from this one."""
    root = tmp_path_factory.mktemp("outside")
    venv = root / "venv"
    assert run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=root).returncode == 0
    [site] = venv.glob("lib/python*/site-packages")
    borrowed = next(Path(path) for path in sys.path if Path(path, "starlette").is_dir())
    (site / "borrowed.pth").write_text(str(borrowed))  # its own .pth files, and so editable installs, stay unread
    core = root / "core"
    core.mkdir()
    for each in ("src", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        (core / each).symlink_to(ROOT / "core" / each)
    install(venv, wheel_of(core))
    return venv


def install(venv: Path, wheel: Path) -> None:
    python = venv / "bin" / "python"
    done = run(
        sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=venv
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's wheel."""
    return wheel_of(write_project(tmp_path_factory.mktemp("sample") / "project", {}))


@pytest.fixture
def installed(venv: Path, sample: Path) -> Iterator[Path]:
    """The environment, as long as a test runs with the sample's wheel in it."""
    install(venv, sample)
    yield venv
    python = venv / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "uninstall", "-q", "-y", "outside-webhook", cwd=venv)


@contextmanager
def serving(venv: Path, folder: Path) -> Iterator[str]:
    """Serve the app on the command line and give its URL."""
    (folder / "app.py").write_text(APP)
    with subprocess.Popen(
        [venv / "bin" / "agent-host", "serve", "app:host", "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        shown: list[str] = []
        try:
            for line in process.stdout:
                shown.append(line)
                if line.startswith("Serving "):  # from here on the port takes connections
                    yield line.split(" at ")[1].strip()
                    break
            else:
                raise AssertionError("".join(shown))
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.mark.requirement("discovery.outside", "discovery.enable")
async def test_the_sample_answers_over_http_and_pushes_to_a_callback(installed: Path, tmp_path: Path) -> None:
    inbox = HttpInbox()
    with serving(installed, tmp_path) as url:
        async with listening(inbox.app) as callback, httpx2.AsyncClient(timeout=30) as http:
            answer = await http.post(f"{url}/webhook", json={"text": "hello", "user": "ada"})
            assert (answer.status_code, answer.json()) == (200, {"outcome": "reply", "text": "1: hello"})
            body = {"text": "forward this", "user": "ada", "callback": callback}
            forwarded = await http.post(f"{url}/webhook", json=body)
            assert (forwarded.status_code, forwarded.json()["outcome"]) == (202, "accepted")
            assert await inbox.wait_for(1) == [{"text": "2: forward this"}]
            assert (await http.get(f"{url}/webhook")).status_code == 405


@pytest.mark.requirement("discovery.list", "discovery.outside")
def test_the_command_line_lists_it_with_distribution_and_version(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "bin" / "agent-host", "channels", cwd=tmp_path)
    row = next(line for line in listed.stdout.splitlines() if "webhook" in line)
    assert "outside-webhook" in row
    assert "1.2.3" in row


BROKEN = {
    "missing mark": (
        {"    @hookimpl\n    async def push": "    async def push"},
        ["'push'", "@hookimpl"],
    ),
    "wrong signature": (
        {
            "push(self, identity: ChannelIdentity, payload: HostedRunResult)": "push(self, who, what)",
        },
        ["'who', 'what'", "identity, payload"],
    ),
    "import error": (
        {"import httpx2\n": "import no_such_module\n"},
        ["cannot be imported", "'no_such_module' is missing", "pip install"],
    ),
    "wrong host-core": (
        {"host-core>=0.1": "host-core>=99"},
        ["host-core>=99"],
    ),
    "not a channel": (
        {"class WebhookChannel(Channel)": "class WebhookChannel"},
        ["is not a Channel", "my_package:WebhookChannel"],
    ),
}


@pytest.fixture
def broken(venv: Path, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Make changed copies of the sample importable; returns the variables of a process that sees them."""

    def make(*variants: tuple[str, dict[str, str]]) -> dict[str, str]:
        folders: list[str] = []
        for name, changes in variants:
            with zipfile.ZipFile(wheel_of(write_project(tmp_path / name, changes, name))) as wheel:
                wheel.extractall(tmp_path / f"{name}-site")
            folders.append(str(tmp_path / f"{name}-site"))
        (tmp_path / "app.py").write_text(APP.partition("class Forward")[0] + "agent = EchoAgent()\n")
        return {"PYTHONPATH": os.pathsep.join(folders)}

    return make


def enable(venv: Path, folder: Path, variables: dict[str, str]) -> str:
    """Enable the channel by name and return the one sentence that comes of it."""
    done = run(
        venv / "bin" / "agent-host", "serve", "app:agent", "-c", "webhook", "--port", "0", cwd=folder, **variables
    )
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr
    sentences = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(sentences) == 1, done.stderr
    return sentences[0]


@pytest.mark.requirement("discovery.import-error", "discovery.version", "discovery.not-a-channel", "hooks.unmarked")
@pytest.mark.parametrize("variant", BROKEN)
def test_a_broken_variant_gives_one_sentence_with_its_distribution_and_the_fix(
    venv: Path, tmp_path: Path, broken: Callable[..., dict[str, str]], variant: str
) -> None:
    changes, says = BROKEN[variant]
    variables = broken(("broken-webhook", changes))
    sentence = enable(venv, tmp_path, variables)
    assert "broken-webhook" in sentence
    assert [each for each in says if each not in sentence] == [], sentence


@pytest.mark.requirement("discovery.duplicate")
def test_two_distributions_with_one_channel_name_are_both_named(
    venv: Path, tmp_path: Path, broken: Callable[..., dict[str, str]]
) -> None:
    sentence = enable(venv, tmp_path, broken(("first-webhook", {}), ("second-webhook", {})))
    assert "first-webhook" in sentence
    assert "second-webhook" in sentence


@pytest.mark.requirement("discovery.quarantine")
def test_a_broken_channel_nobody_asked_for_is_listed_and_hinders_nothing(
    venv: Path, tmp_path: Path, broken: Callable[..., dict[str, str]]
) -> None:
    variables = broken(("broken-webhook", {"import httpx2\n": "import no_such_module\n"}))
    listed = run(venv / "bin" / "agent-host", "channels", cwd=tmp_path, **variables)
    assert "broken-webhook" in listed.stdout + listed.stderr
    script = (
        "import app, asyncio; from agent_framework_hosting import AgentFrameworkHost as H\n"
        "from agent_framework_hosting.testing import InboxChannel\n"
        "async def main():\n    async with H(app.agent, channels=[InboxChannel()], config={}): print('runs')\n"
        "asyncio.run(main())"
    )
    done = run(venv / "bin" / "python", "-c", script, cwd=tmp_path, **variables)
    assert done.stdout.split() == ["runs"], done.stderr
