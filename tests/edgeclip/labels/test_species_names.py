from __future__ import annotations

import pytest

from edgeclip.labels.classes import normal
from edgeclip.labels.species_names import _BY_NAME, common_name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Panthera pardus", "leopard"),
        ("Panthera_onca", "jaguar"),
        ("leopard", "leopard"),
        ("Panthera", "panthera"),
    ],
)
def test_a_scientific_name_becomes_the_common_one_and_others_stay(label: str, name: str) -> None:
    assert common_name(normal(label)) == name


def test_every_name_of_the_list_is_two_or_three_lower_case_words() -> None:
    assert len(_BY_NAME) > 100
    for scientific, common in _BY_NAME.items():
        assert scientific == normal(scientific)
        assert len(scientific.split()) in (2, 3)
        assert common == common.lower().strip()
        assert common not in _BY_NAME
