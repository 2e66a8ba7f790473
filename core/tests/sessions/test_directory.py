"""The index of people: whatever happens to it, each question has one answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.sessions.addresses import ADDRESSES_PER_PERSON, Alias, KnownAddress, identity_key
from agent_framework_hosting.sessions.directory import Directory

ANNA, BEN, EVE = (ChannelIdentity("chat", name) for name in ("anna", "ben", "eve"))


def seen(
    identity: ChannelIdentity, at: float, room: str | None = None, claims: dict[str, str] | None = None
) -> KnownAddress:
    return KnownAddress(identity, room, room is not None, at, at, claims)


def linked(identity: ChannelIdentity, person: str) -> Alias:
    return Alias(*identity_key(identity), person, 1.0, "link")


def test_a_person_is_found_by_identity_and_forgotten_with_their_last_address() -> None:
    directory = Directory()
    directory.add("p", seen(ANNA, 1))
    directory.add("p", seen(BEN, 2))
    assert directory.key_of(("chat", "anna")) == directory.key_of(("chat", "ben")) == "p"
    directory.move(("chat", "ben"), "q")
    assert [address.identity for address in directory.known("p")] == [ANNA]
    assert [address.identity for address in directory.known("q")] == [BEN]
    assert directory.drop("p") == (seen(ANNA, 1),)
    assert (directory.key_of(("chat", "anna")), directory.known("p"), list(directory)) == (None, (), ["q"])
    assert directory.drop("p") == ()


def test_an_address_used_again_is_the_latest_and_known_since_the_first_time() -> None:
    directory = Directory()
    for at, room in ((1, None), (2, "room"), (3, None)):
        directory.add("p", seen(ANNA, at, room))
    assert [(each.conversation_id, each.since, each.last_seen) for each in directory.known("p")] == [
        ("room", 2, 2),
        (None, 1, 3),
    ]


def test_addresses_that_move_are_sorted_in_by_their_last_use() -> None:
    directory = Directory()
    directory.add("p", seen(ANNA, 1))
    directory.add("q", seen(BEN, 2))
    directory.add("p", seen(ANNA, 3, "room"))
    directory.move(("chat", "anna"), "q")
    assert [address.last_seen for address in directory.known("q")] == [1, 2, 3]
    assert list(directory) == ["q"]


def test_who_was_seen_longest_ago_comes_first_but_for_the_linked() -> None:
    directory = Directory()
    for at, identity in enumerate((ANNA, BEN, EVE)):
        directory.add(f"chat:{identity.native_id}", seen(identity, at))
    directory.decide(linked(ANNA, "chat:anna"))
    assert [key for key, _ in directory.longest_unseen(2)] == ["chat:ben", "chat:eve"]
    assert directory.longest_unseen(0) == directory.longest_unseen(-1) == ()
    directory.defer("chat:ben")
    assert [key for key, _ in directory.longest_unseen(1)] == ["chat:eve"]
    directory.spare_linked()
    assert list(directory) == ["chat:eve", "chat:ben", "chat:anna"]


def test_a_claim_finds_who_showed_it_first_and_last() -> None:
    directory = Directory(["oid", "email"])
    directory.add("p", seen(ANNA, 1, claims={"oid": "1", "name": "Anna"}))
    assert directory.claimed_by({"oid": "1"}) == ("chat", "anna")
    assert directory.claimed_by({"name": "Anna"}) is None
    directory.add("q", seen(BEN, 2, claims={"oid": "1", "email": "b"}))
    assert directory.claimed_by({"oid": "1"}) == ("chat", "anna")
    assert directory.claimed_by({"oid": "1", "email": "b"}) is None
    directory.add("p", seen(ANNA, 3, claims={"oid": "2"}))
    assert directory.claimed_by({"oid": "1"}) is None
    directory.move(("chat", "ben"), "p")
    assert directory.claimed_by({"oid": "2", "email": "b"}) in {("chat", "anna"), ("chat", "ben")}
    directory.drop("p")
    assert directory.claimed_by({"oid": "2"}) is None


def test_what_is_decided_last_counts_and_can_be_forgotten() -> None:
    directory = Directory()
    for person in ("p", "q"):
        directory.decide(linked(ANNA, person))
    directory.decide(linked(BEN, "q"))
    assert (directory.members("p"), directory.members("q")) == ((), (("chat", "anna"), ("chat", "ben")))
    directory.decide(Alias("chat", "ben", "chat:ben", 2.0, "unlink"))
    assert directory.members("q") == (("chat", "anna"),)
    directory.undecide(("chat", "anna"))
    directory.undecide(("chat", "anna"))
    assert (directory.members("q"), list(directory.aliases)) == ((), [("chat", "ben")])
    directory.clear()
    assert (len(directory), list(directory.aliases)) == (0, [])


@dataclass
class Book:
    """The same, kept without any index: what each address is, and whose."""

    whose: dict[tuple[str, str], str] = field(default_factory=dict)
    rows: dict[tuple[str, str], list[KnownAddress]] = field(default_factory=dict)

    def add(self, key: str, address: KnownAddress) -> None:
        who = identity_key(address.identity)
        self.whose[who] = key
        rows = self.rows.setdefault(who, [])
        rows[:] = [each for each in rows if each.conversation_id != address.conversation_id] + [address]

    def drop(self, key: str) -> None:
        for who in [who for who, whose in self.whose.items() if whose == key]:
            del self.whose[who], self.rows[who]

    def places(self, key: str) -> set[tuple[tuple[str, str], str | None, float]]:
        return {
            (who, each.conversation_id, each.last_seen)
            for who, whose in self.whose.items()
            if whose == key
            for each in self.rows[who]
        }


keys = st.sampled_from(["p", "q", "r"])
identities = st.sampled_from([ANNA, BEN, EVE])
moves = st.one_of(
    st.tuples(st.just("add"), keys, identities, st.sampled_from([None, "one", "two"])),
    st.tuples(st.just("move"), keys, identities, st.none()),
    st.tuples(st.just("drop"), keys, identities, st.none()),
)


@given(st.lists(moves, max_size=30))
def test_whatever_comes_and_goes_both_directions_agree(
    taken: list[tuple[str, str, ChannelIdentity, str | None]],
) -> None:
    directory, book = Directory(["oid"]), Book()
    for at, (move, key, identity, room) in enumerate(taken):
        if move == "add":
            directory.add(key, seen(identity, at, room))
            book.add(key, seen(identity, at, room))
        elif move == "move":
            directory.move(identity_key(identity), key)
            if identity_key(identity) in book.whose:
                book.whose[identity_key(identity)] = key
        else:
            directory.drop(key)
            book.drop(key)
        for each in ("p", "q", "r"):
            known = directory.known(each)
            assert {(identity_key(a.identity), a.conversation_id, a.last_seen) for a in known} == book.places(each)
            assert [a.last_seen for a in known] == sorted(a.last_seen for a in known)
        for who in (ANNA, BEN, EVE):
            assert directory.key_of(identity_key(who)) == book.whose.get(identity_key(who))
        assert sorted(directory) == sorted(set(book.whose.values()))


def test_the_addresses_of_a_person_are_bounded_and_those_that_fall_out_are_nobodys() -> None:
    directory = Directory()
    directory.add("p", seen(BEN, 0))
    for at in range(ADDRESSES_PER_PERSON):
        directory.add("p", seen(ANNA, at + 1, str(at)))
    assert len(directory.known("p")) == ADDRESSES_PER_PERSON
    assert directory.key_of(("chat", "ben")) is None
