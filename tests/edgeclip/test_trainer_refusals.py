from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from edgeclip.clip import known_backbone
from edgeclip.config import Recipe, TrainConfig
from edgeclip.errors import ConfigError, DataError, GateError, SetupError
from edgeclip.labels.dataset import load_dataset, read_labels
from edgeclip.packs import load_pack
from edgeclip.trainer import TrainResult

QUICK = Recipe(steps=5, views=1, seed=3)
Trainer = Callable[..., TrainResult]


def test_an_asked_precision_is_reached_or_refused(run_training: Trainer, tmp_path: Path) -> None:
    recipe = Recipe(steps=60, views=1, batch=64, learning_rate=0.0015, seed=3)
    result = run_training(tmp_path / "a", recipe=recipe, min_precision=0.9)
    assert result.manifest.thresholds["leopard"].on > 0
    with pytest.raises(GateError, match=r"no threshold reaches a precision of 1\.0"):
        run_training(
            tmp_path / "b", recipe=Recipe(steps=0, views=1, seed=3), min_precision=1.0,
            targets=("zebra",), prompts={"leopard": ("a zebra",)},
        )  # fmt: skip
    assert not (tmp_path / "b").exists()


def test_one_class_alone_is_refused_before_any_work(run_training: Trainer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two classes are needed, found leopard"):
        run_training(tmp_path / "pack", classes={"leopard": ("leopard",)})


def test_a_filled_folder_is_refused_before_any_work(run_training: Trainer, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="add --overwrite"):
        run_training(tmp_path, data=tmp_path / "no such table.csv")


def test_an_older_pack_is_replaced_whole_when_asked(run_training: Trainer, tmp_path: Path) -> None:
    (tmp_path / "pack.json").write_text("{}")
    (tmp_path / "old.txt").write_text("of the older pack")
    run_training(tmp_path, recipe=QUICK, overwrite=True)
    assert not (tmp_path / "old.txt").exists()
    assert load_pack(tmp_path).manifest.targets == ["leopard"]


def test_a_pack_is_not_replaced_by_one_that_stands_on_it(pack: Path, run_training: Trainer) -> None:
    with pytest.raises(ConfigError, match=r"is the pack of --on, .*: choose another folder"):
        run_training(pack, recipe=QUICK, on=pack, overwrite=True)
    assert load_pack(pack).manifest.task == "leopard"


def test_weights_that_are_none_are_refused(run_training: Trainer, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"no weights")
    with pytest.raises(SetupError, match="is no checkpoint"):
        run_training(tmp_path / "pack", pretrained=str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("held", [b"", b"two lines\nof notes", b"\xff\xd8\xff\xe0 a picture"])
def test_a_file_of_no_weights_is_told_by_its_first_bytes(held: bytes, tmp_path: Path) -> None:
    (notes := tmp_path / "notes.pt").write_bytes(held)
    with pytest.raises(SetupError, match=r"notes\.pt is no checkpoint, nor any file of weights"):
        known_backbone("ViT-B-32", str(notes))


def test_a_failed_training_leaves_no_folder(run_training: Trainer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--target tiger"):
        run_training(tmp_path / "pack", targets=("tiger",))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"steps": -1}, {"batch": 1}, {"learning_rate": 0}, {"ratio": 0}, {"surprise": 1}]
)
def test_a_recipe_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(wrong)


def test_a_version_that_is_none_is_refused(table: Path) -> None:
    with pytest.raises(ValidationError, match="version"):
        TrainConfig.model_validate(
            {"data": table, "backbone": "demo", "out": table, "version": "newest"}
        )


def test_overwrite_never_replaces_what_is_no_pack(run_training: Trainer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match=r"holds no pack.json: --overwrite would delete"):
        run_training(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_pack_never_takes_the_place_of_its_own_images(
    run_training: Trainer, tmp_path: Path
) -> None:
    (tmp_path / "pack.json").write_text("{}")
    (tmp_path / "labels.csv").write_text("path,label\n")
    with pytest.raises(ConfigError, match="holds the labelled images: choose another folder"):
        run_training(tmp_path, data=tmp_path / "labels.csv", overwrite=True)
    assert (tmp_path / "labels.csv").exists()


def test_a_random_split_is_refused_and_loud_where_it_is_allowed(
    run_training: Trainer, table: Path, tmp_path: Path
) -> None:
    images = load_dataset(read_labels(table), {}).images
    parts = ("train", "validation", "test")
    bursts = {name: number for number, name in enumerate(sorted({i.sequence for i in images}))}
    dealt = [parts[(n + n // 6) % 3] for n in (bursts[image.sequence] for image in images)]
    rows = [f"{i.facts.sha256},{part}" for i, part in zip(images, dealt, strict=True)]
    split = tmp_path / "random.csv"
    split.write_text("\n".join(["sha256,part", *rows]))
    with pytest.raises(DataError, match="places both teach and test"):
        run_training(tmp_path / "pack", recipe=QUICK, split=split)
    result = run_training(
        tmp_path / "pack", recipe=QUICK, split=split, allow_random_split=True, targets=("zebra",)
    )
    assert any(note.startswith("RANDOM SPLIT") for note in result.notes)
    assert "RANDOM SPLIT" in (tmp_path / "pack/report/index.html").read_text()


def test_a_model_without_its_weights_named_says_which_there_are(
    run_training: Trainer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"ViT-B-32 needs --pretrained TAG or FILE: .*openai"):
        run_training(tmp_path / "pack", backbone="ViT-B-32", pretrained=None)
