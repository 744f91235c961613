"""What is known of an archived image, in the words that static keys have."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.contract.routing import RouterRow
from edgeclip.contract.static_facts import (
    doubt_of_key,
    facts_of_image,
    light_of,
    require_possible,
)
from edgeclip.errors import ConfigError


def _rows(**static: str) -> list[RouterRow]:
    return [RouterRow("a", np.ones((1, 2), np.float32), 1.0, 0.1, static)]


def test_light_has_the_two_words_of_a_device() -> None:
    assert [light_of(infrared=infrared) for infrared in (True, False)] == ["infrared", "day"]


def test_a_place_is_deployment_and_location() -> None:
    facts = facts_of_image("ridge", _rows(), {}, infrared=False)
    assert facts == {"light": "day", "deployment": "ridge", "location": "ridge"}


@pytest.mark.parametrize("place", ["ridge/DCIM/100EK113", "2024/ridge/DCIM", "2024/ridge"])
def test_a_place_inside_a_deployment_that_a_pack_asks_for_is_of_it(place: str) -> None:
    rows = _rows(deployment="ridge") + _rows(deployment="lake")
    facts = facts_of_image(place, rows, {}, infrared=False)
    assert (facts["deployment"], facts["location"]) == ("ridge", place)


def test_of_nested_names_that_packs_ask_for_the_inner_one_counts() -> None:
    rows = _rows(location="ridge") + _rows(location="ridge/north")
    assert facts_of_image("ridge/north/1", rows, {}, infrared=False)["location"] == "ridge/north"


def test_at_the_root_no_place_is_known_but_the_light_is() -> None:
    assert facts_of_image("", _rows(deployment="."), {}, infrared=True) == {"light": "infrared"}


def test_what_a_person_says_goes_before_what_the_image_says() -> None:
    facts = facts_of_image("lake", _rows(), {"light": "day", "place": "hill"}, infrared=True)
    assert facts["light"] == "day"
    assert facts["place"] == "hill"


def test_a_light_that_no_image_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="--fact light=night: light is day or infrared"):
        require_possible({"light": "night"}, "--fact ")
    require_possible({"light": "infrared", "place": "night"}, "--fact ")


@pytest.mark.parametrize("key", ["light", "camera", "deployment", "location"])
def test_of_what_a_device_or_an_archive_says_there_is_no_doubt(key: str) -> None:
    assert doubt_of_key(key) is None


def test_a_key_that_only_a_person_gives_a_value_is_told_with_what_may_be_meant() -> None:
    assert "says lihgt of an image by itself: did you mean light? Else it" in str(
        doubt_of_key("lihgt")
    )
    assert str(doubt_of_key("herd")).endswith("so it holds only where --fact herd=VALUE says so")
