from __future__ import annotations

import pytest

from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.classes import (
    ClassMap,
    observation_type,
    parse_class_options,
    require_two_classes,
)

LABELS = ["Jaguar", "leopard_cat", "empty", "No Animal", "deer", "unknown", "jaguar"]


def test_without_options_each_label_is_a_class_and_synonyms_become_blank() -> None:
    classes = ClassMap({}, LABELS)
    assert classes.class_of("empty") == classes.class_of("No Animal") == "blank"
    assert classes.class_of("Jaguar") == classes.class_of("jaguar") == "Jaguar"
    assert classes.left_out == {"unknown": 1}


def test_labels_that_were_not_asked_for_are_left_out_and_counted() -> None:
    options = parse_class_options(["spotted cat=jaguar,leopard cat", "blank"])
    classes = ClassMap(options, LABELS)
    assert classes.class_of("leopard_cat") == "spotted cat"
    assert classes.class_of("No Animal") == "blank"
    assert classes.left_out == {"deer": 1, "unknown": 1}


@pytest.mark.parametrize("option", ["", "=x", "cat=", "cat= , "])
def test_an_option_without_a_class_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="names no class"):
        parse_class_options([option])


def test_a_label_cannot_stand_in_two_classes() -> None:
    with pytest.raises(ConfigError, match="'Jaguar' stands in cat and other"):
        parse_class_options(["cat=jaguar", "other=Jaguar"])


def test_a_label_that_does_not_occur_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no label jagaur in the data: did you mean jaguar\?"):
        ClassMap({"cat": ("jagaur",)}, LABELS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("blank", "blank"), ("vide", "blank"), ("Person", "human"), ("car", "vehicle"),
     ("spotted cat", "animal")],
)  # fmt: skip
def test_the_kind_of_observation_follows_from_the_name(name: str, kind: str) -> None:
    assert observation_type(name) == kind


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(DataError, match="at least two classes are needed, found leopard"):
        require_two_classes(["leopard"])
