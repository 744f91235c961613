from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.config import Recipe
from edgeclip.labels.classes import parse_class_options
from edgeclip.labels.dataset import load_dataset, read_labels
from edgeclip.packs import load_pack
from edgeclip.summary import summarise
from edgeclip.trainer import TrainResult

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


@pytest.mark.real_data
@pytest.mark.real_weights
@pytest.mark.slow
def test_real_images_and_a_real_encoder_end_with_a_pack(
    real_data: Path, real_weights: Path, tmp_path: Path, run_training: object
) -> None:
    assert callable(run_training)
    result: TrainResult = run_training(
        tmp_path / "pack",
        data=real_data / "manifest.csv",
        classes=CLASSES,
        targets=(),
        backbone=str(real_weights / "bootstrap-clip.json"),
        pretrained=str(real_weights / "bootstrap-clip.safetensors"),
        recipe=Recipe(steps=100, views=1),
    )
    assert load_pack(tmp_path / "pack").manifest.task == "spotted-cat"
    adapter, zero_shot = (result.evaluations[name] for name in ("adapter", "zero-shot"))
    area = adapter.targets["spotted cat"].average_precision
    assert area >= zero_shot.targets["spotted cat"].average_precision
