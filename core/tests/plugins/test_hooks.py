"""What is refused at load; entered through the manager, as the host does."""

from __future__ import annotations

import functools
from types import ModuleType

import pluggy
import pytest

from agent_framework_hosting.errors import PluginError
from agent_framework_hosting.hookspecs import Channel, hookimpl
from agent_framework_hosting.plugins.manager import PluginManager


class Wire(Channel):
    name = "wire"


def refused(plugin: object) -> str:
    manager = PluginManager()
    add = manager.add_channel if isinstance(plugin, Channel) else functools.partial(manager.add_policy, name="rule")
    with pytest.raises(PluginError) as refusal:
        add(plugin)
    assert manager.channels == ()
    assert manager.policies == ()
    return str(refusal.value)


UNMARKED = (
    "which is named like a hook but not marked, so it would never be called; put @hookimpl on it, "
    "or give it another name"
)


class Forgot(Wire):
    async def authorize(self, identity, context):
        return None


class InheritsForgotten(Forgot):
    pass


class Marked(Wire):
    @hookimpl
    async def authorize(self, identity, context):
        return None


class OverridesWithoutMark(Marked):
    async def authorize(self, identity, context):
        return None


class AsProperty(Wire):
    @property
    def authorize(self):
        return None


class ForeignMark(Wire):
    @pluggy.HookimplMarker("another_project")
    def authorize(self, identity):
        return None


class AnotherHooksName(Wire):
    @hookimpl(specname="run_hook")
    def authorize(self, request):
        return None


@pytest.mark.requirement("hooks.unmarked")
@pytest.mark.parametrize(
    "kind", [Forgot, InheritsForgotten, OverridesWithoutMark, AsProperty, ForeignMark, AnotherHooksName]
)
def test_a_method_named_like_a_hook_needs_its_mark(kind: type[Channel]) -> None:
    assert refused(kind()) == f"Channel 'wire' has 'authorize', {UNMARKED}"


@pytest.mark.parametrize("hook", ["contribute_routes", "authorize", "run_hook", "response_hook", "push"])
def test_every_hook_needs_its_mark_on_policies_too(hook: str) -> None:
    kind = type("Rule", (), {hook: lambda self: None})
    assert refused(kind()) == f"Policy 'rule' has {hook!r}, {UNMARKED}"


def test_a_callable_attribute_named_like_a_hook_needs_its_mark() -> None:
    channel = Wire()
    channel.run_hook = lambda request: request
    assert refused(channel) == f"Channel 'wire' has 'run_hook', {UNMARKED}"


def test_a_slot_named_like_a_hook_is_looked_into() -> None:
    class Slotted:
        __slots__ = ("push",)

        def __init__(self, push) -> None:
            self.push = push

        @hookimpl
        def authorize(self, identity):
            return None

    assert refused(Slotted(print)) == f"Policy 'rule' has 'push', {UNMARKED}"
    manager = PluginManager()
    manager.add_policy(Slotted(None), "rule")
    assert [name for name, _ in manager.policies] == ["rule"]


def test_an_option_that_hides_a_marked_hook_is_refused() -> None:
    channel = Marked()
    channel.authorize = None
    assert refused(channel) == (
        "Channel 'wire' sets self.authorize, which hides its hook authorize; give that attribute another name"
    )


def test_an_unused_option_or_a_plain_value_named_like_a_hook_is_no_hook() -> None:
    class Opted(Marked):
        push = False

        def __init__(self, response_hook=None) -> None:
            self.response_hook = response_hook

    manager = PluginManager()
    manager.add_channel(Opted())
    assert not manager.can_push("wire")
    assert not manager.shapes_responses("wire")


def test_a_subclass_may_switch_a_hook_off() -> None:
    class Pushing(Wire):
        @hookimpl
        async def push(self, identity, payload):
            return None

    class Silent(Pushing):
        push = None

    manager = PluginManager()
    manager.add_channel(Silent())
    assert not manager.can_push("wire")


class GeneratorHook(Wire):
    @hookimpl
    def authorize(self, identity):
        yield


class AsyncGeneratorHook(Wire):
    @hookimpl
    async def authorize(self, identity):
        yield


def passthrough(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


class DecoratedGenerator(Wire):
    @hookimpl
    @passthrough
    def authorize(self, identity):
        yield


@pytest.mark.requirement("hooks.wrapper")
@pytest.mark.parametrize("kind", [GeneratorHook, AsyncGeneratorHook, DecoratedGenerator])
def test_a_generator_is_refused(kind: type[Channel]) -> None:
    assert refused(kind()) == ("Channel 'wire' writes authorize as a generator; return a value instead of yielding")


@pytest.mark.requirement("hooks.wrapper")
@pytest.mark.parametrize("mark", [{"wrapper": True}, {"hookwrapper": True}])
def test_a_wrapper_is_refused(mark: dict[str, bool]) -> None:
    class Wrapping(Wire):
        @hookimpl(**mark)
        def run_hook(self, request):
            return (yield)

    assert refused(Wrapping()) == (
        "Channel 'wire' declares run_hook as a wrapper; write it as a plain function with @hookimpl"
    )


class UnknownArgument(Wire):
    @hookimpl
    def authorize(self, identity, user):
        return None


class UnknownDefault(Wire):
    @hookimpl
    def authorize(self, identity, user=None):
        return None


class UnknownKeyword(Wire):
    @hookimpl
    def authorize(self, identity, *, user):
        return None


@pytest.mark.requirement("hooks.signature")
@pytest.mark.parametrize("kind", [UnknownArgument, UnknownDefault, UnknownKeyword])
def test_an_argument_the_hook_does_not_offer_is_refused(kind: type[Channel]) -> None:
    assert refused(kind()) == (
        "Channel 'wire' defines authorize with 'user', which the hook does not offer; "
        "authorize may take self, identity, context, or fewer"
    )


class NoSelf(Wire):
    @hookimpl
    def push(identity, payload):  # noqa: N805 - the mistake under test
        return None


class NoArguments(Wire):
    @hookimpl
    def push():
        return None


@pytest.mark.parametrize("kind", [NoSelf, NoArguments])
def test_a_missing_self_is_refused(kind: type[Channel]) -> None:
    assert refused(kind()) == (
        "Channel 'wire' defines push without self; push may take self, identity, payload, or fewer"
    )


def test_nameless_arguments_are_refused() -> None:
    class Nameless(Wire):
        @hookimpl
        def push(self, *args):
            return None

    assert refused(Nameless()) == (
        "Channel 'wire' defines push with *args, which names no argument; "
        "push may take self, identity, payload, or fewer"
    )


def test_async_contribute_routes_is_refused() -> None:
    class Asynchronous(Wire):
        @hookimpl
        async def contribute_routes(self, context):
            return None

    assert refused(Asynchronous()) == (
        "Channel 'wire' has an async contribute_routes; make it a plain def (it builds the app) and put async work "
        "into the contribution's on_startup"
    )


class Misspelt:
    @hookimpl
    def authorise(self, identity):
        return None


class MisspeltSpecname:
    @hookimpl(specname="authorise")
    def check(self, identity):
        return None


@pytest.mark.parametrize("kind", [Misspelt, MisspeltSpecname])
def test_an_unknown_hook_is_refused(kind: type) -> None:
    assert refused(kind()) == (
        "Policy 'rule' implements 'authorise', which is no hook; the hooks are contribute_routes, authorize, "
        "run_hook, response_hook, push. Did you mean 'authorize'?"
    )


@pytest.mark.parametrize("refused_first", [Misspelt, type("Empty", (), {})])
def test_a_refused_plugin_leaves_nothing_behind(refused_first: type) -> None:
    class Judge:
        @hookimpl
        def authorize(self, identity):
            return None

    manager = PluginManager()
    with pytest.raises(PluginError):
        manager.add_policy(refused_first(), "rule")
    manager.add_policy(Judge(), "rule")
    assert [name for name, _ in manager.policies] == ["rule"]


def test_a_hook_of_a_later_host_may_be_optional() -> None:
    class Ahead(Marked):
        @hookimpl(optionalhook=True)
        def hook_of_a_later_host(self, context):
            return None

    manager = PluginManager()
    manager.add_channel(Ahead())
    assert manager.knows("wire")


def test_two_implementations_of_one_hook_are_refused() -> None:
    class Twice(Marked):
        @hookimpl(specname="authorize")
        def also(self, identity):
            return None

    assert refused(Twice()) == "Channel 'wire' implements authorize twice; keep one method with @hookimpl for it"


def test_a_class_instead_of_an_instance_is_refused() -> None:
    assert refused(Misspelt) == "Policy 'rule' is a class; give an instance: Misspelt(...)"


def test_a_module_may_be_a_policy_and_is_checked_alike() -> None:
    module = ModuleType("rules")
    module.authorize = lambda identity: None
    assert refused(module) == f"Policy 'rule' has 'authorize', {UNMARKED}"


def test_a_refusal_names_the_distribution(install) -> None:
    source = """
        from agent_framework_hosting.hookspecs import Channel

        class Wire(Channel):
            name = "wire"

            def push(self, identity, payload): ...
    """
    install("wire-dist", "0.7", channels=["wire = wire_module:Wire"], module="wire_module", source=source)
    import wire_module  # noqa: PLC0415 - exists only inside this test

    assert refused(wire_module.Wire()) == f"Channel 'wire' of wire-dist 0.7 has 'push', {UNMARKED}"


def test_a_refusal_does_not_show_the_plugins_repr() -> None:
    class Secretive(Forgot):
        def __repr__(self) -> str:
            return "token-4711"

    assert "4711" not in refused(Secretive())
