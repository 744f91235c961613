from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from edgeclip.contract.settings import Settings, read_toml, settings_from
from edgeclip.errors import ConfigError


class Motion(Settings):
    min_blob_pct: float = Field(0.02, ge=0, le=100)


class Camera(Settings):
    url: str = Field(min_length=1)


class Whole(Settings):
    motion: Motion = Motion()
    cameras: list[Camera] = Field(default_factory=list)
    places: dict[str, Camera] = Field(default_factory=dict)


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(
        ConfigError,
        match=r"device.toml: \[motion\].min_blob_pc is not known: did you mean min_blob_pct\?",
    ):
        settings_from({"motion": {"min_blob_pc": 1.0}}, Whole, source="device.toml")


def test_an_unknown_key_in_a_list_of_tables_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean url"):
        settings_from({"cameras": [{"urll": "x"}]}, Whole)


def test_an_unknown_key_in_a_table_by_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"\[places.ridge\].urll is not known: did you mean url"):
        settings_from({"places": {"ridge": {"url": "x", "urll": "y"}}}, Whole)


def test_an_unknown_table_far_from_all_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="known keys are cameras, motion, places"):
        settings_from({"xyzzy": {}}, Whole)


def test_a_value_out_of_range_names_key_bound_and_value() -> None:
    with pytest.raises(ConfigError, match=r"min_blob_pct: .*less than or equal to 100, found 101"):
        settings_from({"motion": {"min_blob_pct": 101.0}}, Whole)


def test_a_number_written_as_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_blob_pct"):
        settings_from({"motion": {"min_blob_pct": "1"}}, Whole)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"url is missing: add it"):
        settings_from({"cameras": [{}]}, Whole)


def test_a_text_that_is_empty_is_called_so() -> None:
    with pytest.raises(ConfigError, match="url: is empty: write one, found ''"):
        settings_from({"cameras": [{"url": ""}]}, Whole)


def test_many_problems_stay_one_line_and_are_counted() -> None:
    tables = {f"key{number}": 1 for number in range(8)}
    with pytest.raises(ConfigError, match="and 3 more") as caught:
        settings_from(tables, Whole)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = ", "not valid TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * 1_000_001, "larger than 1 MB"),
    ],
    ids=["cut short", "binary", "huge"],
)
def test_a_file_that_is_no_configuration_is_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "device.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_toml(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.toml: cannot be read .*check the path"):
        read_toml(tmp_path / "nowhere.toml")


def test_a_file_is_read_into_its_model(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_text('[motion]\nmin_blob_pct = 3.0\n[[cameras]]\nurl = "a"\n')
    settings = settings_from(read_toml(path), Whole)
    assert settings.motion.min_blob_pct == 3.0
    assert settings.cameras[0].url == "a"
