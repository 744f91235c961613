from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.labels.classes import parse_class_options
from edgeclip.labels.dataset import load_dataset, read_labels
from edgeclip.summary import summarise

CLASSES = parse_class_options(["spotted cat=jaguar,leopard_cat,leopard,ocelot", "blank=empty"])


@pytest.mark.real_data
def test_every_real_image_is_used_or_named(real_data: Path) -> None:
    dataset = load_dataset(read_labels(real_data / "manifest.csv"), CLASSES)
    summary = summarise(dataset, [], seed=1)
    counts = {line.name: line.images for line in summary.classes}
    assert counts == {"spotted cat": 45, "blank": 102}
    assert summary.rows == 485
    assert sum(summary.left_out.values()) == 485 - 147
    assert summary.small_images > 20
    assert summary.split == "location"


@pytest.mark.real_data
def test_a_folder_of_real_files_names_the_empty_one(real_data: Path) -> None:
    dataset = load_dataset(read_labels(real_data / "animl-py"), {})
    empty = [problem for problem in dataset.problems if "0 bytes" in problem.what]
    assert [Path(problem.where).name for problem in empty] == ["error_img.JPG"]
    assert len(dataset.images) > 200
