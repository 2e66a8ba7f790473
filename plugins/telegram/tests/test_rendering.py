"""What the model writes, judged by Telegram's own parser."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host_channel_telegram.rendering import render
from host_channel_telegram.rich import Rich
from host_channel_telegram.splitting import MESSAGE_UNITS, MOST_ENTITIES, split
from host_channel_telegram.testing import oracle
from host_channel_telegram.utf16 import units

DOCUMENTS = 2_000


def words() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"w{next(numbers)}q"


def blocks(rng: random.Random, word: Callable[[], str]) -> Iterator[str]:
    """One block of a model-like answer after the other; every word in it is unique."""

    def phrase(least: int = 1, most: int = 12) -> str:
        return " ".join(inline() for _ in range(rng.randint(least, most)))

    def inline() -> str:
        shapes = [
            "{}", "{}", "{}", "{}", "**{}**", "*{}*", "_{}_", "~~{}~~", "`{}`", "***{}***", "**{} `{}`**", "{}_{}",
            "{}*{}", "List<{}>", "Map<{}, {}>", "<{}>", "</{}>", "<div>{}</div>", "a < {} > b", "&{};", "&lt;{}&gt;",
            "[{}](https://ex.am/p)", "[{}]({})", "![{}](https://ex.am/i.png)", "[{}]", "[{}][{}]", "${}$", "$${}$$",
            "\\({}\\)", "||{}||", "#{}", "@{}", "{}!", "({})", "1.{}", "-{}", "\\*{}\\*", "😀{}", "👩‍👩‍👧‍👦 {}", "é{}ü",
            "漢字{}", "العربية {}", "{}\\", "{}|{}", "`` {} ` ``", "{}^{}", "x_{{{}}}", "https://ex.am/{}?a=1&b=_2_",
            "{}::<{}>()", "if a<{} && b>{}", "<!-- {} -->", "<br>{}", "<{} attr='x'>",
        ]  # fmt: skip
        shape = rng.choice(shapes)
        return shape.format(*(word() for _ in range(shape.count("{}"))))

    makers: list[Callable[[], str]] = [
        lambda: phrase(3, 60),
        lambda: f"{'#' * rng.randint(1, 6)} {phrase(1, 5)}",
        lambda: "\n".join(f"{rng.choice(['-', '*', '+'])} {phrase()}" for _ in range(rng.randint(1, 8))),
        lambda: "\n".join(f"{n}. {phrase()}\n   - {phrase()}" for n in range(1, rng.randint(2, 6))),
        lambda: "\n".join(f"- [{rng.choice(' x')}] {phrase()}" for _ in range(rng.randint(1, 5))),
        lambda: "\n".join(f"> {phrase()}" for _ in range(rng.randint(1, 5))),
        lambda: f"> > {phrase()}\n> {phrase()}",
        lambda: (
            f"```{rng.choice(['', 'python', 'c++', 'html'])}\n"
            + "\n".join(f"    x = {word()}<{word()}>  # {word()} `*_" for _ in range(rng.randint(1, 80)))
            + "\n```"
        ),
        lambda: f"~~~\n{word()}\n```\n{word()}\n~~~",
        lambda: f"    {word()}\n    {word()}",
        lambda: f"| {word()} | {word()} |\n|---|:-:|\n" + "\n".join(f"| {inline()} | {word()} |" for _ in range(3)),
        lambda: f"<details>\n<summary>{word()}</summary>\n\n{phrase()}\n\n</details>",
        lambda: f"<table><tr><td>{word()}</td></tr></table>",
        lambda: "---",
        lambda: f"$$\n{word()} + {word()}\n$$",
        lambda: f"{word()}\n===\n{word()}\n---",
        lambda: f"{word()}  \n{word()}\\\n{word()}",
        lambda: f"[^1]: {word()}",
        lambda: f"Term {word()}\n: {word()}",
        lambda: "**" + word() + "\n\n" + word() + "**",
        lambda: f"```{word()}",
    ]
    while True:
        yield rng.choice(makers)()


def document(seed: int) -> str:
    rng = random.Random(seed)  # noqa: S311 - the same documents every time
    word = words()
    text = "\n\n".join(itertools.islice(blocks(rng, word), rng.randint(1, 30)))
    return text[: rng.randint(1, len(text))] if rng.random() < 0.3 else text  # a stream breaks off anywhere


def visible_words(markdown: str) -> list[str]:
    """The unique words a reader of the source would expect to read: not addresses, not the names of languages."""
    without = re.sub(r"\]\((?:https?://[^)\s]*|w\d+q)\)", "]", markdown)
    without = re.sub(r"(?m)^((?:> ?)*\s*)(```|~~~)\S*.*$", r"\1", without)
    return re.findall(r"w\d+q", without)


def refusals(chunks: list[Rich]) -> list[str]:
    found = [why for chunk in chunks if (why := oracle.refusal_of(chunk.text, chunk.entities)) is not None]
    found += ["blank" for chunk in chunks if not chunk.text.strip()]
    found += ["long" for chunk in chunks if units(chunk.text) > MESSAGE_UNITS]
    return found + ["crowded" for chunk in chunks if len(chunk.entities) > MOST_ENTITIES]


@pytest.mark.requirement("telegram.text")
@pytest.mark.parametrize("part", range(8))
def test_no_generated_answer_is_refused_and_no_visible_word_is_lost(part: int) -> None:
    for seed in range(part, DOCUMENTS, 8):
        markdown = document(seed)
        chunks = split(render(markdown))
        assert refusals(chunks) == [], seed
        shown = "\n".join(chunk.text for chunk in chunks)
        assert [word for word in visible_words(markdown) if word not in shown] == [], (seed, markdown)


TEXT = st.text(
    st.one_of(st.characters(codec="utf-16"), st.sampled_from("*_`~[]()<>|#-+=!\\$\n  😀&;:.1a")), max_size=300
)


@pytest.mark.requirement("telegram.text")
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXT)
def test_any_text_is_taken_by_telegram(text: str) -> None:
    chunks = split(render(text))
    assert refusals(chunks) == []
    assert bool(chunks) == bool(text.strip())


@pytest.mark.requirement("telegram.split")
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXT, st.integers(40, 120))
def test_splitting_loses_no_sign_but_white_space(text: str, limit: int) -> None:
    whole = render(text)
    chunks = split(whole, limit)
    assert "".join("".join(chunk.text for chunk in chunks).split()) == "".join(whole.text.split())
    assert [chunk for chunk in chunks if units(chunk.text) > limit] == []


@pytest.mark.requirement("telegram.fake")
def test_the_judge_refuses_what_telegram_refuses() -> None:
    bold = {"type": "bold"}
    assert oracle.refusal_of("a😀b", [{**bold, "offset": 2, "length": 1}]) is not None
    assert oracle.refusal_of("abc", [{**bold, "offset": 2, "length": 5}]) is not None
    assert oracle.refusal_of("abc", [{**bold, "offset": 1, "length": 0}]) is not None
    assert oracle.refusal_of("abc", [{**bold, "offset": 1, "length": 1}]) is None


@pytest.mark.requirement("telegram.text")
def test_raw_html_and_generics_stay_readable() -> None:
    assert render("use `Vec<u8>` or List<String> in <div>\n\n<b>x</b>").text == (
        "use Vec<u8> or List<String> in <div>\n\n<b>x</b>"
    )


@pytest.mark.requirement("telegram.text")
def test_a_text_of_which_nothing_would_be_left_is_sent_as_it_is() -> None:
    assert render("[a]: https://ex.am/").text == "[a]: https://ex.am/"


@pytest.mark.requirement("telegram.text")
def test_a_link_that_telegram_cannot_open_is_written_out() -> None:
    rich = render("see **[the file](./docs/a.md)** and [site](https://ex.am/x)")
    assert rich.text == "see the file (./docs/a.md) and site"
    assert [entity["type"] for entity in rich.entities] == ["bold", "text_link"]
    assert oracle.refusal_of(rich.text, rich.entities) is None


@pytest.mark.requirement("telegram.split")
def test_a_code_block_that_fits_into_a_message_is_not_cut() -> None:
    code = "\n".join(f"line {number} = {number}" for number in range(120))
    chunks = split(render("word " * 500 + f"\n\n```python\n{code}\n```\n\nend"))
    holding = [chunk for chunk in chunks if any(entity["type"] == "pre" for entity in chunk.entities)]
    assert len(holding) == 1
    assert code in holding[0].text


@pytest.mark.requirement("telegram.split")
def test_a_code_block_longer_than_a_message_goes_on_as_code() -> None:
    code = "\n".join(f"line {number} = {number}" for number in range(800))
    chunks = split(render(f"```python\n{code}\n```"))
    assert len(chunks) > 2
    for chunk in chunks:
        assert chunk.entities == ({"type": "pre", "offset": 0, "length": units(chunk.text), "language": "python"},)


@pytest.mark.requirement("telegram.split")
def test_emoji_and_their_parts_stay_together() -> None:
    family = "👩\u200d👩\u200d👧\u200d👦"
    chunks = split(Rich(family * 50), 100)
    assert {chunk.text.replace(family, "") for chunk in chunks} == {""}


@pytest.mark.requirement("telegram.split")
def test_more_entities_than_telegram_keeps_go_into_more_messages() -> None:
    chunks = split(render(" ".join(f"**b{number}**" for number in range(250))))
    assert [len(chunk.entities) for chunk in chunks] == [95, 95, 60]
