"""The pictures of the documentation."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
PICTURES = sorted((DOCS / "pictures").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.requirement("docs.pictures")
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_is_for_everybody_and_stands_on_a_page(picture: Path) -> None:
    root = ET.parse(picture).getroot()  # noqa: S314 - our own file
    assert [bool((root.findtext(SVG + tag) or "").strip()) for tag in ("title", "desc")] == [True, True]
    style = root.findtext(SVG + "style") or ""
    assert "prefers-color-scheme: dark" in style
    assert "text { fill: currentColor; }" in style
    assert [one.attrib for one in root.iter() if {"fill", "stroke", "color"} & one.attrib.keys()] == []
    pages = [page.name for page in DOCS.rglob("*.md") if f"(pictures/{picture.name})" in page.read_text("utf-8")]
    assert pages != []


def test_there_is_one_of_a_turn_and_one_of_a_push() -> None:
    assert [picture.stem for picture in PICTURES] == ["one-push", "one-turn"]
