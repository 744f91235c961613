"""Frames without labels: which are taken, what they teach, and what a pack says of them."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edgeclip import unlabelled
from edgeclip.config import Recipe, TrainConfig
from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.dataset import Dataset
from edgeclip.progress import Bars
from edgeclip.run_folder import RUN_FILE, run_path
from edgeclip.split_file import read_split_rows
from edgeclip.splits import Split, plan_split
from edgeclip.trainer import TrainResult, train
from edgeclip.unlabelled import UnlabelledFrames, unlabelled_frames
from support.drawn_images import draw, save, write_table
from support.tiny_packs import TinyEncoder

AT = datetime(2026, 5, 1, tzinfo=timezone.utc)
QUICK = Recipe(steps=6, views=1, batch=32, learning_rate=0.0015, seed=3)
Configure = Callable[..., TrainConfig]


def _frame(number: int, label: str = "leopard") -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a frame that no other one looks like: the animal stands elsewhere."""
    return np.roll(draw(label, 900 + number, background=20 + number), 5 * number, axis=1)


@pytest.fixture
def frames(tmp_path: Path, table: Path) -> Path:
    """Eight frames of two cameras, beside a labelled image, two copies, and what is no image."""
    root = tmp_path / "frames"
    for number in range(8):
        save(root / f"new{number % 2}" / f"{number}.png", _frame(number))
    shutil.copy(root / "new0" / "0.png", root / "new0" / "copy.png")
    save(root / "new1" / "again.jpg", _frame(1))
    shutil.copy(next(table.parent.glob("place0/*.jpg")), root / "new0" / "labelled.jpg")
    (root / "new0" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    return root


@pytest.fixture
def configure(encoder: TinyEncoder, table: Path, frames: Path, tmp_path: Path) -> Configure:
    def configured(**fields: object) -> TrainConfig:
        usual: dict[str, object] = {
            "data": table, "out": tmp_path / "pack", "targets": ("leopard",), "method": "head",
            "backbone": str(encoder.config), "pretrained": str(encoder.weights), "folds": 2,
            "unlabelled": frames, "recipe": QUICK, "cache": tmp_path / "cache",
        }  # fmt: skip
        return TrainConfig.model_validate(usual | fields)

    return configured


@pytest.fixture(scope="module")
def split(dataset: Dataset) -> Split:
    return plan_split(dataset.images, dataset.class_names, ["leopard"], seed=3)[1]


def _found(config: TrainConfig, dataset: Dataset, split: Split) -> UnlabelledFrames:
    with unlabelled_frames(config, dataset.images, split, Bars(quiet=True)) as found:
        assert found is not None
        return found


def _train(config: TrainConfig) -> TrainResult:
    return train(config, created_at=AT, bars=Bars(quiet=True))


def test_labelled_repeated_and_damaged_frames_are_left_out(
    configure: Configure, dataset: Dataset, split: Split
) -> None:
    found = _found(configure(), dataset, split)
    assert (found.listed, found.drawn, len(found.images)) == (12, 12, 8)
    assert (found.labelled, found.repeated, found.unreadable) == (1, 2, 1)
    assert {image.location for image in found.images} == {"new0", "new1"}
    assert found.described() == (
        "8 frames without labels of 12 (12 drawn; 1 left out: labelled too, or of a labelled"
        " burst; 2 left out: the same shot as another; 1 left out: could not be read)"
    )


def test_a_frame_of_a_labelled_burst_is_left_out_and_one_an_hour_later_is_not(
    configure: Configure, dataset: Dataset, split: Split, tmp_path: Path
) -> None:
    image = dataset.images[0]
    assert image.captured_at is not None
    rows: list[tuple[object, ...]] = [("file", "site", "datetime")]
    for number, seconds in enumerate((40, 1800)):
        at = datetime.fromtimestamp(image.captured_at.timestamp() + seconds, timezone.utc)
        save(tmp_path / "t" / f"{number}.png", _frame(number))
        rows.append((f"{number}.png", image.location, f"{at:%Y-%m-%d %H:%M:%S}"))
    listed = write_table(tmp_path / "t" / "some.csv", rows)
    found = _found(configure(unlabelled=listed), dataset, split)
    assert [each.path.name for each in found.images] == ["1.png"]
    assert found.labelled == 1


def test_a_zip_and_a_table_give_what_their_folder_gives(
    configure: Configure, dataset: Dataset, split: Split, frames: Path, tmp_path: Path
) -> None:
    paths = [path for path in sorted(frames.rglob("*")) if path.is_file()]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for path in paths:
            packed.write(path, path.relative_to(frames))
    rows: list[tuple[object, ...]] = [("file",), *((str(p.relative_to(frames)),) for p in paths)]
    named = write_table(frames / "named.csv", rows)
    hashes = {
        _found(configure(unlabelled=source), dataset, split).sha256
        for source in (frames, tmp_path / "a.zip", named)
    }
    assert len(hashes) == 1


def test_of_many_frames_the_seed_draws_some(
    configure: Configure, dataset: Dataset, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unlabelled, "MOST_FRAMES", 5)
    first, again = (_found(configure(), dataset, split) for _ in range(2))
    assert first.drawn == 5
    assert first.sha256 == again.sha256
    other = configure(recipe=QUICK.model_copy(update={"seed": 5}))
    assert _found(other, dataset, split).sha256 != first.sha256


def test_frames_that_are_all_labelled_teach_nothing_and_are_refused(
    configure: Configure, dataset: Dataset, split: Split, table: Path
) -> None:
    with pytest.raises(DataError, match=r"none of 72 frames can be used: 72 are labelled too"):
        _found(configure(unlabelled=table), dataset, split)


@pytest.mark.parametrize("source", ["empty", "a.zip", "notes.txt"])
def test_what_is_no_archive_is_refused_before_anything_is_encoded(
    configure: Configure, tmp_path: Path, source: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises((ConfigError, DataError), match=source):
        _train(configure(unlabelled=tmp_path / source))
    assert not run_path(tmp_path / "pack").exists()


def test_a_pack_says_how_many_frames_and_pseudo_labels_taught_it(
    configure: Configure, tmp_path: Path
) -> None:
    recipe = QUICK.model_copy(update={"steps": 60, "pseudo_labels": 0.5})
    result = _train(configure(recipe=recipe, method="visual+head"))
    manifest = json.loads((tmp_path / "pack" / "pack.json").read_text())
    assert manifest["metrics"]["unlabelled/frames"] == 8
    assert 0 <= manifest["metrics"]["unlabelled/pseudo_labels"] <= 8
    assert any("8 frames without labels of 12" in note for note in result.notes)
    assert "pseudo_labels = 0.5" in (tmp_path / "pack/report/recipe.toml").read_text()
    rows = read_split_rows(tmp_path / "pack" / "report" / "split.csv")
    handed_on = [row for row in rows.values() if row.location in ("new0", "new1")]
    assert len(handed_on) == 8
    assert {row.part for row in handed_on} == {"train"}


def test_frames_of_a_place_that_tests_make_it_a_known_place(
    configure: Configure, frames: Path, tmp_path: Path
) -> None:
    first = _train(configure())
    tested = {
        str(row.location)
        for row in read_split_rows(tmp_path / "pack" / "report" / "split.csv").values()
        if row.part == "test"
    }
    for number, place in enumerate(sorted(tested)):
        save(frames / place / "x.png", _frame(30 + number))
    recipe = QUICK.model_copy(update={"steps": 60})
    second = _train(configure(out=tmp_path / "second", recipe=recipe, method="visual+head"))
    assert any("FRAMES WITHOUT LABELS ARE OF PLACES THAT TEST" in note for note in second.notes)
    assert first.comparison.scopes[0].name == "new places"
    assert {scope.name for scope in second.comparison.scopes} == {"known places"}


def test_what_stands_on_the_pack_never_tests_these_frames(
    configure: Configure, table: Path, frames: Path, tmp_path: Path
) -> None:
    _train(configure())
    labels = table.read_text().splitlines()
    shutil.copytree(table.parent, tmp_path / "all")
    for number in range(8):
        path = frames / f"new{number % 2}" / f"{number}.png"
        shutil.copy(path, tmp_path / "all" / f"n{number}.png")
        labels.append(
            f"n{number}.png,leopard,elsewhere{number},2024-08-0{number + 1} 10:00:00,,,,,"
        )
    (tmp_path / "all" / "labels.csv").write_text("\n".join(labels) + "\n")
    fields = {"data": tmp_path / "all" / "labels.csv", "unlabelled": None, "on": tmp_path / "pack"}
    _train(configure(**fields, out=tmp_path / "next", method="visual"))
    rows = read_split_rows(tmp_path / "next" / "report" / "split.csv").values()
    assert {row.part for row in rows if row.file.startswith("n") and row.class_name} <= {
        "train", "validation",
    }  # fmt: skip


def test_an_interrupted_run_goes_on_with_the_same_frames_alone(
    configure: Configure, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeclip.trainer.write_pack", _pressed)
    with pytest.raises(KeyboardInterrupt):
        _train(configure())
    monkeypatch.undo()
    named = json.loads((run_path(tmp_path / "pack") / RUN_FILE).read_text())
    assert len(named["unlabelled_sha256"]) == 64
    save(frames / "new0" / "more.png", _frame(11))
    with pytest.raises(ConfigError, match="other frames without labels"):
        _train(configure(resume=True))
    (frames / "new0" / "more.png").unlink()
    result = _train(configure(resume=True))
    assert result.taken is not None
    assert result.taken.rounds > 0
    _train(configure(out=tmp_path / "whole"))
    ours, theirs = (
        (tmp_path / name / "adapter.safetensors").read_bytes() for name in ("pack", "whole")
    )
    assert ours == theirs


def _pressed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_one_round_and_the_blocks_of_a_tower_take_frames_too(
    configure: Configure, tmp_path: Path
) -> None:
    recipe = QUICK.model_copy(update={"steps": 2, "token_batch": 8, "pseudo_labels": 0.5})
    result = _train(configure(method="block+head", folds=1, recipe=recipe))
    assert any("frames without labels" in note.lower() for note in result.notes)
    assert (tmp_path / "pack" / "pack.json").is_file()
