"""The pictures of the pages: each is shown, is a whole image, and all together stay small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from scripts.make_pictures import IMAGES, MOST_BYTES, NAMES

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
SHOWN = {
    (page.parent / address).resolve(): words
    for page in PAGES
    for words, address in _PICTURE.findall(page.read_text())
}


def test_every_picture_that_a_page_shows_is_there_and_is_said_in_words() -> None:
    assert [path.name for path, words in SHOWN.items() if not path.is_file() or not words] == []


def test_every_file_of_the_folder_is_shown_on_a_page() -> None:
    assert [path.name for path in IMAGES.iterdir() if path.resolve() not in SHOWN] == []


def test_the_folder_holds_what_make_pictures_makes_and_the_drawing_of_the_flow() -> None:
    made = {f"{name}.jpg" for name in NAMES}
    assert {path.name for path in IMAGES.iterdir()} == made | {"flow.svg"}


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_whole_and_wide_enough_to_read(name: str) -> None:
    with Image.open(IMAGES / f"{name}.jpg") as image:
        image.load()
        assert image.format == "JPEG"
        assert 400 <= image.width <= 1300


def test_all_pictures_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) <= MOST_BYTES
