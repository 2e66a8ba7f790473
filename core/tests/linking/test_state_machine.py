"""Whatever people type, in whatever order: nobody is linked without both sides."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from agent_framework_hosting.model.identity import ChannelIdentity

PEOPLE = [ChannelIdentity(channel, name) for channel in ("telegram", "teams") for name in ("anna", "ben", "eve")]
people = st.sampled_from(PEOPLE)
pick = st.integers(min_value=0)
Name = tuple[str, str]


def name(identity: ChannelIdentity) -> Name:
    return (identity.channel, identity.native_id)


class Linking(RuleBasedStateMachine):
    make_host: Callable[..., Any]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.host = self.make_host(wrong_codes=10_000)
        self.codes: list[tuple[str, Name]] = []
        self.numbers: list[str] = ["0000"]
        self.typed: set[tuple[Name, Name]] = set()  # (claimant, asker): the claimant entered the asker's code
        self.agreed: set[tuple[Name, Name]] = set()  # ... and the asker confirmed having read who that is

    def say(self, who: ChannelIdentity, text: str, *, is_group: bool = False) -> str:
        return self.loop.run(self.host.say(who, text, is_group=is_group))

    def teardown(self) -> None:
        self.loop.close()

    @rule(who=people)
    def ask_for_a_code(self, who: ChannelIdentity) -> None:
        found = re.search(r"[A-Z0-9]{5}-[A-Z0-9]{5}", self.say(who, "/link"))
        if found:
            self.codes.append((found[0], name(who)))

    @rule(who=people, which=pick, in_group=st.booleans())
    def type_a_code(self, who: ChannelIdentity, which: int, in_group: bool) -> None:
        if self.codes:
            code, asker = self.codes[which % len(self.codes)]
            self.say(who, f"/link {code}", is_group=in_group)
            if not in_group:
                self.typed.add((name(who), asker))

    @rule(who=people, code=st.text(alphabet="23456789ABCDEF", min_size=10, max_size=10))
    def forge_a_code(self, who: ChannelIdentity, code: str) -> None:
        assert "asked" not in self.say(who, f"/link {code}")

    @rule(who=people, which=pick)
    def confirm_with_a_number_read_anywhere(self, who: ChannelIdentity, which: int) -> None:
        read = self.host.read[name(who)]
        mine = [text for text in read if "/link confirm" in text]
        everybodys = [text for texts in self.host.read.values() for text in texts if "/link confirm" in text]
        self.numbers = ["0000", *(self.host.number_in(text) for text in everybodys)]
        number = self.numbers[which % len(self.numbers)]
        self.say(who, f"/link confirm {number}")
        for text in mine:
            if self.host.number_in(text) == number:
                for other in PEOPLE:
                    if text.startswith(f"{other.channel} account {other.native_id} "):
                        self.agreed.add((name(other), name(who)))

    @rule(who=people, word=st.sampled_from(["deny", "cancel"]))
    def end(self, who: ChannelIdentity, word: str) -> None:
        self.say(who, f"/link {word}")

    @rule(who=people)
    def unlink(self, who: ChannelIdentity) -> None:
        self.say(who, "/unlink")

    @rule(seconds=st.integers(1, 400))
    def wait(self, seconds: int) -> None:
        self.host.now += seconds

    @rule()
    def restart(self) -> None:
        self.loop.run(self.host.restart())

    @invariant()
    def linked_people_proved_it_on_both_sides(self) -> None:
        proven = self.typed & self.agreed
        groups = {name(who): {name(who)} for who in PEOPLE}
        for one, other in proven:
            merged = groups[one] | groups[other]
            for member in merged:
                groups[member] = merged
        by_key: dict[str, set[Name]] = {}
        for who in PEOPLE:
            by_key.setdefault(self.loop.run(self.host.key(who)), set()).add(name(who))
        for together in by_key.values():
            assert together <= groups[next(iter(together))]


def test_nobody_is_linked_without_both_sides(make_host: Callable[..., Any]) -> None:
    machine = type("LinkingHere", (Linking,), {"make_host": staticmethod(make_host)})
    run_state_machine_as_test(machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))
