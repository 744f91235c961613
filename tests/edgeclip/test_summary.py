from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.errors import ConfigError
from edgeclip.labels.dataset import Dataset, load_dataset, read_labels
from edgeclip.summary import summarise
from support.drawn_images import DrawnSet, draw, save, write_set


def test_the_figures_of_a_data_set(dataset: Dataset) -> None:
    summary = summarise(dataset, ["leopard"], seed=1)
    leopard = summary.classes[0]
    assert (summary.rows, summary.usable, summary.split) == (72, 72, "location")
    assert (leopard.images, leopard.sequences, leopard.locations, leopard.with_box) == (
        24, 12, 6, 24,
    )  # fmt: skip
    assert leopard.by_location == {f"place{place}": 4 for place in range(6)}
    assert sum(leopard.by_part.values()) == 24
    assert summary.small_images == 72
    assert summary.infrared_share == 0
    assert (summary.sequences, summary.bursts, summary.longest_burst) == (36, 36, 2)
    assert (summary.times, (summary.first or "")[:10]) == ({"labels": 72}, "2024-05-01")


def test_few_images_and_few_places_are_warned_of(tmp_path: Path) -> None:
    table = write_set(tmp_path, DrawnSet({"leopard": 4, "blank": 4}, locations=1))
    summary = summarise(load_dataset(read_labels(table), {}), [], seed=1)
    assert "fewer than 20 images: leopard 8, blank 8" in summary.warnings
    assert "fewer than 2 locations: leopard 1, blank 1" in summary.warnings
    assert any("nothing is known about other places" in text for text in summary.warnings)


def test_without_a_split_the_reason_is_given(tmp_path: Path) -> None:
    save(tmp_path / "leopard/a.jpg", draw("leopard", 0))
    summary = summarise(load_dataset(read_labels(tmp_path), {}), [], seed=1)
    assert summary.split is None
    assert summary.split_problem is not None
    assert "too few sequences" in summary.split_problem


def test_a_target_that_is_no_class_is_refused(dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="is no class of the data"):
        summarise(dataset, ["tiger"], seed=1)
