from __future__ import annotations

import pytest

from agent_framework_hosting.errors import PluginError
from agent_framework_hosting.hookspecs import Channel
from agent_framework_hosting.plugins.discovery import load_channel_class, load_policies, load_policy

GOOD = """
    from agent_framework_hosting.hookspecs import Channel, hookimpl

    class Wire(Channel):
        name = "wire"

    class Quota:
        @hookimpl
        def authorize(self, identity):
            return None

    quota = Quota()
"""


def refused(name: str) -> str:
    with pytest.raises(PluginError) as refusal:
        load_channel_class(name)
    return str(refusal.value)


def test_a_channel_is_imported_by_name(install) -> None:
    install("good", channels=["wire = good_plugin:Wire"], module="good_plugin", source=GOOD)

    loaded = load_channel_class("wire")
    assert issubclass(loaded, Channel)
    assert loaded.__module__ == "good_plugin"


@pytest.mark.requirement("discovery.enable")
def test_importing_one_channel_does_not_import_another(install) -> None:
    install("good", channels=["wire = good_plugin:Wire"], module="good_plugin", source=GOOD)
    install("bad", channels=["bad = bad_plugin:Wire"], module="bad_plugin", source="raise RuntimeError")

    assert load_channel_class("wire").name == "wire"


def test_an_unknown_name_names_the_nearest_and_the_installed(install) -> None:
    install("good", channels=["telegram = tg:C", "teams = ms:C"])

    sentence = refused("telegrm")
    assert sentence.startswith("No channel 'telegrm' is installed (installed: ")
    assert "teams, telegram" in sentence
    assert sentence.endswith("; did you mean 'telegram', or install the distribution that provides it")


def test_an_unknown_name_without_a_neighbour_says_to_correct_it() -> None:
    assert refused("qqqqqqqq").endswith("; correct the name, or install the distribution that provides it")


@pytest.mark.requirement("discovery.version")
def test_a_fault_in_the_metadata_is_raised_without_importing(install) -> None:
    install("host-core", "0.1")
    install("late", channels=["late = late_plugin:C"], requires=["host-core>=9"], module="late_plugin", source="1 / 0")

    assert refused("late").startswith("Channel 'late' of late 1.0 requires host-core>=9")


@pytest.mark.requirement("discovery.import-error")
@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import not_there_at_all", "ModuleNotFoundError: module 'not_there_at_all' is missing"),
        ("from json import not_there", "ImportError: 'json' does not offer a name that is imported from it"),
        ("def broken(:", "SyntaxError in {file}, line 1"),
        ("x = 1", "AttributeError: module 'broken_plugin' has no 'Wire'"),
        ("\nraise ValueError('secret-4711')", "ValueError in {file}, line 2"),
        ("raise SystemExit(3)", "SystemExit in {file}, line 1"),
    ],
)
def test_an_import_error_is_one_sentence_with_cause_and_fix(install, source: str, cause: str) -> None:
    info = install(
        "broken-dist", "0.3", channels=["broken = broken_plugin:Wire"], module="broken_plugin", source=source
    )

    assert refused("broken") == (
        "Channel 'broken' of broken-dist 0.3 cannot be imported from broken_plugin:Wire "
        f"({cause.format(file=info.parent / 'broken_plugin.py')}); "
        "repair it with: pip install --upgrade --force-reinstall broken-dist"
    )


def test_an_import_error_keeps_its_cause_for_the_traceback(install) -> None:
    install("broken-dist", channels=["broken = broken_plugin:W"], module="broken_plugin", source="raise ValueError")

    with pytest.raises(PluginError) as refusal:
        load_channel_class("broken")
    assert isinstance(refusal.value.__cause__, ValueError)


def test_a_malformed_reference_is_an_import_error(install) -> None:
    install("malformed", channels=["malformed = my package:C"])

    assert "cannot be imported from my package:C" in refused("malformed")


@pytest.mark.requirement("discovery.not-a-channel")
@pytest.mark.parametrize(
    ("value", "described"),
    [
        ("things:Plain", "the class Plain"),
        ("things:function", "an object of type function"),
        ("things:instance", "an object of type Wire"),
        ("things", "the module things"),
        ("things:Channel", "the class Channel"),
    ],
)
def test_an_entry_point_to_something_else_is_no_channel(install, value: str, described: str) -> None:
    source = GOOD + "\n    class Plain: pass\n    def function(): pass\n    instance = Wire()\n"
    install("things-dist", channels=[f"things = {value}"], module="things", source=source)

    assert refused("things") == (
        f"Channel 'things' of things-dist 1.0 is not a Channel: {value} is {described}; point its entry point at a "
        "subclass of agent_framework_hosting.Channel"
    )


@pytest.mark.parametrize("attribute", ["Quota", "quota"])
def test_a_policy_may_be_a_class_or_an_instance(install, attribute: str) -> None:
    install("good", policies=[f"quota = good_plugin:{attribute}"], module="good_plugin", source=GOOD)

    assert type(load_policy("quota")).__name__ == "Quota"


def test_a_policy_instance_is_taken_as_it_is(install) -> None:
    install("good", policies=["quota = good_plugin:quota"], module="good_plugin", source=GOOD)

    assert load_policy("quota") is load_policy("quota")


def test_a_policy_that_needs_arguments_says_how_to_give_it(install) -> None:
    source = "class Needs:\n    def __init__(self, limit): ..."
    install("needs", policies=["needs = needs_plugin:Needs"], module="needs_plugin", source=source)

    with pytest.raises(PluginError) as refusal:
        load_policy("needs")
    assert str(refusal.value) == (
        "Policy 'needs' of needs 1.0 cannot be built without arguments (TypeError); "
        "give it to the host as an instance: plugins=[...]"
    )


def test_an_unknown_policy_is_named_as_a_policy() -> None:
    with pytest.raises(PluginError, match=r"^No policy 'zzz' is installed"):
        load_policy("zzz")


@pytest.mark.requirement("discovery.quarantine")
def test_broken_policies_are_quarantined_and_the_others_load(install) -> None:
    install("host-core", "0.1")
    install("good", policies=["quota = good_plugin:Quota"], module="good_plugin", source=GOOD)
    install("bad", policies=["audit = bad_plugin:Audit"], module="bad_plugin", source="raise SystemExit")
    install("old", policies=["redact = old_plugin:Redact"], requires=["host-core<0.1"])

    loaded, quarantined = load_policies()

    assert [(name, type(policy).__name__) for name, policy in loaded] == [("quota", "Quota")]
    assert [(plugin.name, plugin.distribution) for plugin in quarantined] == [("audit", "bad"), ("redact", "old")]
    faults = [plugin.fault or "" for plugin in quarantined]
    assert faults[0].startswith("Policy 'audit' of bad 1.0 cannot be imported")
    assert faults[1].startswith("Policy 'redact' of old 1.0 requires host-core<0.1")
