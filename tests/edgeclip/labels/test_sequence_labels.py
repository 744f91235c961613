from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.dataset import Dataset
from edgeclip.labels.sequence_labels import for_learning
from edgeclip.trainer import TrainResult
from support.drawn_images import draw, save

Trainer = Callable[..., TrainResult]


def _marked(dataset: Dataset, labels: set[str]) -> Dataset:
    images = [replace(image, sequence_level=image.class_name in labels) for image in dataset.images]
    return replace(dataset, images=tuple(images))


def test_frames_with_the_label_of_their_sequence_are_not_learned_from(dataset: Dataset) -> None:
    found = for_learning(_marked(dataset, {"zebra"}))
    assert found.class_names == ("leopard", "blank")
    assert {image.class_name for image in found.images} == {"leopard", "blank"}
    assert found.notes[-1].startswith("24 images are not learned from: their label is of the whole")
    assert for_learning(dataset) is dataset


def test_where_all_labels_are_of_sequences_the_option_that_takes_them_is_named(
    dataset: Dataset,
) -> None:
    with pytest.raises(DataError, match=r"all 72 labels are of whole sequences.*--sequence-labels"):
        for_learning(_marked(dataset, {"leopard", "zebra", "blank"}))


def test_a_training_takes_them_only_where_that_is_asked_for(
    run_training: Trainer, tmp_path: Path
) -> None:
    save(tmp_path / "a.jpg", draw("leopard", 1))
    save(tmp_path / "b.jpg", draw("blank", 2))
    content = {
        "info": {"version": "1.0"},
        "images": [{"id": name, "file_name": f"{name}.jpg"} for name in "ab"],
        "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "leopard"}],
        "annotations": [
            {"id": name, "image_id": name, "category_id": number, "sequence_level_annotation": True}
            for name, number in (("a", 1), ("b", 0))
        ],
    }
    table = tmp_path / "coco.json"
    table.write_text(json.dumps(content))
    with pytest.raises(DataError, match="all 2 labels are of whole sequences"):
        run_training(tmp_path / "pack", data=table)
    with pytest.raises(DataError, match="too few sequences to train"):  # so they were taken
        run_training(tmp_path / "pack", data=table, sequence_labels=True)
