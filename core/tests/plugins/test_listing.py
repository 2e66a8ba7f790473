from __future__ import annotations

import sys
from importlib.metadata import distribution

import pytest

from agent_framework_hosting.plugins.listing import (
    API_GROUP,
    API_LEVEL,
    InstalledPlugin,
    distribution_of,
    installed_channels,
    installed_policies,
)


def named(name: str, *, policies: bool = False) -> list[InstalledPlugin]:
    return [plugin for plugin in (installed_policies() if policies else installed_channels()) if plugin.name == name]


def fault_of(name: str) -> str:
    (plugin,) = named(name)
    assert plugin.fault is not None
    return plugin.fault


@pytest.mark.requirement("discovery.list")
def test_channels_are_listed_with_their_distribution_and_never_imported(install) -> None:
    install("host-channel-zulu", "2.1", channels=["zulu = zulu_channel:Zulu"], module="zulu_channel", source="1 / 0")

    assert named("zulu") == [
        InstalledPlugin("zulu", "agent_framework_hosting.channels", "host-channel-zulu", "2.1", "zulu_channel:Zulu")
    ]
    assert "zulu_channel" not in sys.modules


def test_channels_and_policies_are_listed_apart(install) -> None:
    install("both", channels=["wire = both_plugin:Wire"], policies=["quota = both_plugin:Quota"])

    assert named("quota") == []
    assert named("wire", policies=True) == []
    assert [plugin.kind for plugin in (*named("wire"), *named("quota", policies=True))] == ["Channel", "Policy"]


def test_the_order_is_by_name_and_not_by_disk(install) -> None:
    for name in ("zz-c", "zz-a", "zz-b"):
        install(f"dist-{name}", channels=[f"{name} = m_{name[-1]}:C"], where=f"place-{name}")

    names = [plugin.name for plugin in installed_channels()]
    assert names == sorted(names)
    assert [name for name in names if name.startswith("zz-")] == ["zz-a", "zz-b", "zz-c"]


def test_a_distribution_seen_twice_is_listed_once_as_python_would_import_it(install) -> None:
    install("host-channel-twin", "1.0", channels=["twin = twin:Old"], where="wheel")
    install("Host_Channel.Twin", "1.1", channels=["twin = twin:New"], where="editable")

    (twin,) = named("twin")
    assert (twin.version, twin.value, twin.fault) == ("1.1", "twin:New", None)


@pytest.mark.requirement("discovery.duplicate")
def test_two_distributions_with_one_name_are_both_listed_with_the_clash(install) -> None:
    install("first-owner", "1.0", channels=["clash = one:C"])
    install("second-owner", "2.0", channels=["clash = two:C"])

    both = named("clash")
    assert [plugin.distribution for plugin in both] == ["first-owner", "second-owner"]
    for plugin in both:
        assert plugin.fault == (
            "Channel 'clash' is provided by first-owner 1.0 (one:C) and second-owner 2.0 (two:C), so its name is "
            "ambiguous; keep one of them and uninstall the other: pip uninstall second-owner"
        )


@pytest.mark.requirement("discovery.version")
@pytest.mark.parametrize("wanted", ["host-core>=2", "Host_Core (<0.2)", "host.core[serve]==0.3", "host-core!=1.5"])
def test_a_plugin_for_another_host_core_has_a_fault_that_says_what_to_type(install, wanted: str) -> None:
    install("host-core", "1.5")
    install("host-channel-other", "3.0", channels=["other = other_channel:C"], requires=["pluggy", wanted])

    fault = fault_of("other")
    assert fault.startswith("Channel 'other' of host-channel-other 3.0 requires host-core")
    assert "host-core 1.5 is installed" in fault
    assert fault.endswith("type: pip install --upgrade host-core host-channel-other")
    assert "other_channel" not in sys.modules


@pytest.mark.parametrize(
    "wanted",
    [
        "host-core",
        "host-core>=1.5,<2",
        "host-core>=9; python_version < '3'",
        "host-core>=9; extra == 'future'",
        "host-core-extras>=9",
        "host-core @ file:///somewhere",
    ],
)
def test_a_plugin_that_fits_has_no_fault(install, wanted: str) -> None:
    install("host-core", "1.5")
    install("host-channel-fits", channels=["fits = fits_channel:C"], requires=[wanted])

    (plugin,) = named("fits")
    assert plugin.fault is None


def test_a_pre_release_of_the_host_satisfies_its_own_range(install) -> None:
    install("host-core", "1.6.dev3")
    install("host-channel-early", channels=["early = early:C"], requires=["host-core>=1.5"])

    (plugin,) = named("early")
    assert plugin.fault is None


@pytest.mark.requirement("discovery.api-level")
@pytest.mark.parametrize(("levels", "used"), [((), 1), (("1",), 1), (("2",), 2), (("1", "2"), 2), (("2", "10"), 2)])
def test_a_plugin_is_used_at_the_highest_api_level_it_states_and_the_host_offers(install, levels, used: int) -> None:
    install("host-channel-level", channels=["level = level_channel:C"], levels=levels)

    (plugin,) = named("level")
    assert (plugin.api_level, plugin.fault) == (used, None)


@pytest.mark.requirement("discovery.api-level")
@pytest.mark.parametrize(
    ("levels", "fault"),
    [
        (("3",), "is written for API level 3, and this host-core offers 1 to 2; type: pip install --upgrade host-core"),
        (("0",), "is written for API level 0, and this host-core offers 1 to 2; type: pip install --upgrade far-off"),
        (("two",), "states the API level two, which is no number; tell its author"),
    ],
)
def test_a_plugin_for_an_api_level_this_host_does_not_offer_has_a_fault_before_it_is_imported(
    install, levels: tuple[str, ...], fault: str
) -> None:
    install("far-off", "3.0", channels=["far = far_channel:C"], policies=["law = far_channel:P"], levels=levels)

    assert fault_of("far") == f"Channel 'far' of far-off 3.0 {fault}"
    (policy,) = named("law", policies=True)
    assert policy.fault == f"Policy 'law' of far-off 3.0 {fault}"
    assert "far_channel" not in sys.modules


@pytest.mark.requirement("discovery.api-level")
def test_the_hosts_own_metadata_states_the_level_it_offers() -> None:
    assert [each.name for each in distribution("host-core").entry_points.select(group=API_GROUP)] == [str(API_LEVEL)]


def test_an_unreadable_requirement_on_the_host_is_a_fault(install) -> None:
    install("host-core", "1.5")
    install("host-channel-typo", channels=["typo = typo:C"], requires=["host-core=>1"])

    assert fault_of("typo") == (
        "Channel 'typo' of host-channel-typo 1.0 has an unreadable requirement on host-core; "
        "type: pip install --upgrade host-channel-typo"
    )


def test_damaged_entry_points_are_named_and_hide_no_other_plugin(install) -> None:
    info = install("host-channel-bent", "1.0")
    (info / "entry_points.txt").write_text("[agent_framework_hosting.channels]\nno equals sign\n")
    install("host-channel-whole", channels=["whole = whole:C"])

    (whole,) = named("whole")
    assert whole.fault is None
    assert fault_of("host-channel-bent") == (
        "The entry points of host-channel-bent 1.0 cannot be read; "
        "type: pip install --force-reinstall host-channel-bent"
    )


def test_missing_metadata_hides_no_plugin(install) -> None:
    info = install("host-channel-bare", channels=["bare = bare:C"])
    (info / "METADATA").unlink()

    (bare,) = named("bare")
    assert str(info.parent) in bare.distribution


def test_a_modules_distribution_is_known_by_its_entry_point(install) -> None:
    install("host-channel-owner", "4.0", channels=["owner = owner_package.plugin:C"])

    assert distribution_of("owner_package.wire.parsing") == "host-channel-owner 4.0"
    assert distribution_of("owner_package_of_another") is None
