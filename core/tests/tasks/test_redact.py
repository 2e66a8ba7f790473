from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.tasks.redact import redacted_error

TOKEN = "123456:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"Client error '401' for url 'https://api.telegram.org/bot{TOKEN}/send?x=1'", "https://api.telegram.org/***"),
        (f"bad token {TOKEN}", "bad token ***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("api_key=sk-123, retry", "api_key=***, retry"),
        ('{"password": "hunter2"}', '"password": ***'),
        ("https://user:hunter2@example.org/x", "https://example.org/***"),
    ],
)
def test_secrets_do_not_stay(text: str, kept: str) -> None:
    told = redacted_error(OSError(text))
    assert kept in told
    assert TOKEN not in told
    assert "hunter2" not in told
    assert "sk-123" not in told
    assert "abc.def" not in told


def test_what_helps_stays() -> None:
    assert redacted_error(ValueError("chat not found (400)")) == "ValueError: chat not found (400)"
    assert redacted_error(TimeoutError()) == "TimeoutError"


@given(st.text(max_size=3000))
def test_the_text_is_short_and_on_one_line(text: str) -> None:
    told = redacted_error(RuntimeError(text))
    assert told.startswith("RuntimeError")
    assert len(told) <= len("RuntimeError: ") + 200
    assert "\n" not in told


@given(st.text(max_size=100), st.from_regex(r"[A-Za-z0-9_-]{24,80}", fullmatch=True), st.text(max_size=100))
def test_no_long_word_stays(before: str, secret: str, after: str) -> None:
    assert secret not in redacted_error(RuntimeError(f"{before} {secret} {after}"))
