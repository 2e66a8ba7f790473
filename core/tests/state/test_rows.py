from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from agent_framework_hosting.state.rows import end_of, key_of, row_key

KEYS = st.text(alphabet=st.sampled_from("ab\x1f \ud7ff\ue000\U0010ffff\0"), max_size=6) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"]), max_size=6
)


@given(KEYS, KEYS)
@example("\ud7ff", "\ud7ff\U0010ffff")
@example("\U0010ffff", "\U0010ffff\U0010ffff")
@example("", "")
def test_a_range_holds_the_keys_of_a_prefix_and_no_others(prefix: str, key: str) -> None:
    start, row = row_key("t", prefix), row_key("t", key)
    inside = start.encode() <= row.encode() < end_of(start).encode()
    assert inside == key.startswith(prefix)
    assert key_of("t", row) == key


@given(st.sampled_from(["t", "t2", "s", "tt", "t.x"]), KEYS)
def test_no_table_reaches_into_another(table: str, key: str) -> None:
    start = row_key("t", "")
    inside = start.encode() <= row_key(table, key).encode() < end_of(start).encode()
    assert inside == (table == "t")
