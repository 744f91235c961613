"""What is known of an archived image, in the words that static keys have."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.contract.routing import RouterRow
from edgeclip.contract.static_facts import facts_of_image, light_of


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
