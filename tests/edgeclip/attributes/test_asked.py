"""The file of attributes, and what is said of each kind of wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeclip.attributes.asked import read_asked, usual_text
from edgeclip.errors import ConfigError

GROUP = """
[[group]]
name = "light"
field = "observationTags"
view = "frame"
[[group.options]]
name = "day"
value = "light:day"
prompts = ["a photo by day"]
[[group.options]]
name = "night"
value = "light:night"
labels = [1, "ir"]
prompts = ["a photo at night"]
"""


def _read(tmp_path: Path, text: str, name: str = "asked.toml") -> str:
    """Return the one line that refuses a file."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_asked(path)
    said = str(caught.value)
    assert "\n" not in said
    assert str(path) in said
    return said


def test_the_usual_ones_are_four_that_fill_different_fields() -> None:
    groups = read_asked("usual")
    assert [(group.name, group.field, group.label_column) for group in groups] == [
        ("behaviour", "behavior", "behavior"),
        ("young", "lifeStage", "lifeStage"),
        ("how many", "count", "count"),
        ("time of day", "observationTags", "timeOfDay"),
    ]


def test_the_printed_file_reads_as_the_usual_one(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(usual_text(), encoding="utf-8")
    assert read_asked(tmp_path / "own.toml") == read_asked("usual")


def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GROUP, encoding="utf-8")
    (group,) = read_asked(tmp_path / "a.toml")
    assert group.options[1].labels == ["1", "ir"]
    content = {"group": [group.model_dump(mode="json")]}
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_asked(tmp_path / "a.json") == [group]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read \(No such file"):
        read_asked(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match=r"gone\.json: cannot be read \(No such file"):
        read_asked(tmp_path / "gone.json")


def test_a_huge_file(tmp_path: Path) -> None:
    assert "larger than 1 MB" in _read(tmp_path, "#" * 1_000_001)
    assert "larger than 1 MB" in _read(tmp_path, " " * 1_000_001, "asked.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "group is missing: add it"),
        ("group = []", "group: List should have at least 1 item"),
        ("group = 3", "group: Input should be a valid list, found 3"),
        ("[[group]", "not valid TOML"),
        (GROUP * 2, "two groups are called light"),
        (GROUP.replace('"light"', '""'), "is not 1 to 32 letters, digits, spaces, - and '"),
        (GROUP.replace('"day"', '"night"'), "two options of light are called night"),
        (GROUP.replace("by day", "at night"), "two options of light have the sentence"),
        (GROUP.replace('"ir"', '"day"'), "two options of light are labelled day"),
        (GROUP.replace("observationTags", "individualID"), "observationTags', found 'individualID"),
        (GROUP.replace("light:night", "night"), "is no observationTags: write key:value"),
        (GROUP.replace('field = "observationTags"', 'field = "sex"'), "is one of female, male"),
        (GROUP.replace('field = "observationTags"', 'field = "count"'), "a whole number from 1"),
        (GROUP.replace('field = "observationTags"\n', ""), "but light names no field"),
        (GROUP.replace('["a photo by day"]', "[]"), "prompts: List should have at least 1 item"),
        (GROUP.replace('["a photo by day"]', '"by day"'), "prompts: Input should be a valid list"),
        (GROUP.replace("a photo by day", "day " * 100), "one line of 3 to 300 letters"),
        (GROUP.replace("a photo by day", "a\\u0007photo"), "one line of 3 to 300 letters"),
        (GROUP.replace("view", "veiw"), "veiw is not known: did you mean view?"),
        (GROUP.replace('"frame"', '"crop"'), "Input should be 'frame' or 'animal'"),
        (GROUP.replace("view", "verified = true\nview"), "verified is not known"),
        (GROUP.replace("view", "threshold = 60\nview"), "less than or equal to 1, found 60"),
        (GROUP.replace('name = "day"', 'name = "<b>day</b>"'), "1 to 32 letters, digits"),
        (GROUP.replace('name = "day"', 'name = "=cmd()"'), "1 to 32 letters, digits"),
        (GROUP.replace('name = "day"', 'name = "none"'), "none of light says nothing"),
        (GROUP.replace("[1,", "[true,"), "labels[0]: Input should be a valid string, found True"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    assert said in _read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("[1, 2]", "Input should be a valid dictionary"),
        ('{"group": "light"}', "group: Input should be a valid list"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_wrong_json_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    assert said in _read(tmp_path, text, "asked.json")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    for name in ("a.toml", "a.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match=r"not UTF-8|not valid JSON"):
            read_asked(tmp_path / name)


def test_two_groups_of_tags_go_together_and_two_of_one_field_do_not(tmp_path: Path) -> None:
    other = GROUP.replace('"light"', '"weather"')
    (tmp_path / "two.toml").write_text(GROUP + other, encoding="utf-8")
    assert len(read_asked(tmp_path / "two.toml")) == 2
    fields = (GROUP + other).replace("observationTags", "behavior")
    assert "two groups fill behavior" in _read(tmp_path, fields)
