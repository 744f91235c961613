from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclip.config import Recipe
from edgeclip.contract.hashing import sha256_file
from edgeclip.labels.dataset import load_dataset, read_labels
from edgeclip.learning import Learned, learn
from edgeclip.pack_making import golden_images
from edgeclip.packs import load_pack
from edgeclip.regions import Strips
from edgeclip.run_costs import read_costs
from edgeclip.run_folder import RunFolder, open_run
from edgeclip.splits import split_images
from edgeclip.task_names import task_name
from edgeclip.trainer import TrainResult
from support.drawn_images import DrawnSet, draw, save, write_set
from support.samples import preprocess_spec

QUICK = Recipe(steps=5, views=1, seed=3)
Trainer = Callable[..., TrainResult]


def test_the_adapter_learns_what_the_random_encoder_does_not_know(
    trained: tuple[Path, TrainResult],
) -> None:
    evaluations = trained[1].evaluations
    assert evaluations["adapter"].targets["leopard"].f1 > 0.9
    choice = trained[1].learned.choice  # sixteen test images are too few to compare on
    assert choice.chosen.score.log_loss < choice.zero_shot.score.log_loss
    assert trained[1].manifest.method == "visual+head"


def test_the_pack_says_what_it_was_made_from(trained: tuple[Path, TrainResult]) -> None:
    folder, result = trained
    manifest = result.manifest
    assert manifest.class_names == ["leopard", "zebra", "blank"]
    assert manifest.targets == ["leopard"]
    assert manifest.column_class[:3] == [0, 1, 2]
    assert (manifest.training.images, manifest.training.steps) == (72, 60)
    assert manifest.training.split_sha256 == sha256_file(folder / "report/split.csv")
    assert manifest.slots["va_up"] == [6, 24]
    assert manifest.metrics["test/adapter/leopard/f1"] == pytest.approx(
        result.evaluations["adapter"].targets["leopard"].f1, abs=1e-6
    )


def test_no_place_is_in_two_parts_of_the_written_split(trained: tuple[Path, TrainResult]) -> None:
    rows = [line.split(",") for line in (trained[0] / "report/split.csv").read_text().splitlines()]
    parts: dict[str, set[str]] = defaultdict(set)
    for _, part, _, place, *_ in rows[1:]:
        parts[place].add(part)
    assert len(parts) == 6
    assert all(len(own - {"test_seen"}) == 1 for own in parts.values())


def test_the_same_seed_gives_the_same_pack_also_from_a_warm_cache(
    run_training: Trainer, tmp_path: Path
) -> None:
    results = [
        run_training(tmp_path / name, recipe=QUICK, cache=tmp_path / "cache")
        for name in ("cold", "warm")
    ]
    first, second = ((tmp_path / name / "pack.json").read_bytes() for name in ("cold", "warm"))
    assert first == second
    report = "report/index.html"
    assert (tmp_path / "cold" / report).read_bytes() == (tmp_path / "warm" / report).read_bytes()
    assert (results[0].cache_hits, results[1].cache_misses) == (0, 0)


def test_another_seed_gives_another_pack(run_training: Trainer, tmp_path: Path) -> None:
    run_training(tmp_path / "a", recipe=QUICK)
    run_training(tmp_path / "b", recipe=QUICK.model_copy(update={"seed": 4}))
    first, second = (load_pack(tmp_path / name).manifest for name in "ab")
    assert first.recipe_sha256 != second.recipe_sha256


@pytest.mark.parametrize("method", ["visual+head", "auto"])
def test_invariant_34_nothing_of_the_test_part_is_opened_before_the_choices_are_made(
    method: str, run_training: Trainer, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeclip import features, training_run

    dataset = load_dataset(read_labels(table), {})
    split = split_images(dataset.images, ["leopard"], seed=QUICK.seed)
    tested = {dataset.images[index].path for index in split.indices("test")}
    opened: list[Path] = []
    chosen_after: list[int] = []

    def reading(path: Path) -> bytes:
        opened.append(path)
        return path.read_bytes()

    monkeypatch.setattr(features, "read_image_file", reading)

    def learning(*arguments: Any, **named: Any) -> Learned:
        learned = learn(*arguments, **named)
        chosen_after.append(len(opened))
        return learned

    monkeypatch.setattr(training_run, "learn", learning)
    run_training(tmp_path / "pack", recipe=QUICK, method=method)
    assert not tested & set(opened[: chosen_after[0]])
    assert tested <= set(opened[chosen_after[0] :])


_CLOSED: set[str] = set()


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Raise where a file is opened, by whatever means, that must stay closed."""
    if _CLOSED and event == "open" and str(arguments[0]) in _CLOSED:
        raise AssertionError(f"{arguments[0]} was opened")


@pytest.fixture
def closed() -> Iterator[set[str]]:
    """Paths that nothing may open while they are in it."""
    if not getattr(_guard, "is_set", False):
        sys.addaudithook(_guard)  # for good: Python has no way to take one away
        _guard.is_set = True  # type: ignore[attr-defined]
    yield _CLOSED
    _CLOSED.clear()


def test_invariant_34_an_open_of_a_test_path_raises_until_the_choices_are_made(
    run_training: Trainer,
    table: Path,
    tmp_path: Path,
    closed: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgeclip import trainer, training_run

    dataset = load_dataset(read_labels(table), {})
    split = split_images(dataset.images, ["leopard"], seed=QUICK.seed)
    tested = {str(dataset.images[index].path) for index in split.indices("test")}

    def closing(*arguments: Any, **named: Any) -> RunFolder:
        closed.update(tested)  # the labels are read and the split is made
        with pytest.raises(AssertionError, match="was opened"):
            Path(next(iter(tested))).read_bytes()
        return open_run(*arguments, **named)

    def learning(*arguments: Any, **named: Any) -> Learned:
        learned = learn(*arguments, **named)
        assert closed == tested
        closed.clear()
        return learned

    monkeypatch.setattr(trainer, "open_run", closing)
    monkeypatch.setattr(training_run, "learn", learning)
    result = run_training(tmp_path / "pack", recipe=QUICK, method="auto", folds=2)
    assert len(result.learned.ladder.steps) > 5
    assert not closed


def test_without_better_training_zero_shot_is_kept_and_said_loudly(
    run_training: Trainer, tmp_path: Path
) -> None:
    result = run_training(tmp_path / "pack", recipe=Recipe(steps=0, views=1, seed=3))
    assert result.manifest.method == "zero-shot"
    assert result.manifest.training.trainable_params == 0
    assert any(note.startswith("ZERO-SHOT KEPT") for note in result.notes)
    assert "va_up" not in result.manifest.slots
    page = (tmp_path / "pack/report/index.html").read_text()
    assert "ZERO-SHOT KEPT" in page


def test_a_class_map_makes_the_pack_s_classes(run_training: Trainer, tmp_path: Path) -> None:
    result = run_training(
        tmp_path / "pack",
        recipe=QUICK,
        classes={"striped or spotted": ("leopard", "zebra"), "blank": ("blank",)},
        targets=(),
        prompts={"blank": ("green noise",)},
    )
    assert result.manifest.class_names == ["striped or spotted", "blank"]
    assert result.manifest.task == "striped-or-spotted"
    assert "green noise" in result.manifest.classes[1].prompts


def test_one_place_trains_and_says_that_nothing_is_known_about_others(
    run_training: Trainer, tmp_path: Path
) -> None:
    table = write_set(tmp_path / "images", DrawnSet({"leopard": 5, "blank": 5}, locations=1))
    result = run_training(tmp_path / "pack", data=table, recipe=QUICK)
    assert any("nothing is known about other places" in note for note in result.notes)
    page = (tmp_path / "pack/report/index.html").read_text()
    assert "nothing is known about other places" in page


def test_unreadable_files_are_counted_in_the_report(run_training: Trainer, tmp_path: Path) -> None:
    table = write_set(tmp_path / "images", DrawnSet({"leopard": 2, "blank": 2}, locations=4))
    broken = tmp_path / "images/place0/leopard_0_0.jpg"
    broken.write_bytes(b"")
    run_training(tmp_path / "pack", data=table, recipe=QUICK)
    metrics = json.loads((tmp_path / "pack/report/metrics.json").read_text())
    assert (metrics["data"]["rows"], metrics["data"]["usable"]) == (32, 31)
    assert metrics["data"]["problems"][0]["what"] == "empty file: 0 bytes"
    assert "empty file: 0 bytes" in (tmp_path / "pack/report/index.html").read_text()


def test_the_report_needs_nothing_from_elsewhere(trained: tuple[Path, TrainResult]) -> None:
    page = (trained[0] / "report/index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("data:image/png;base64,") == 5
    assert "data:image/jpeg;base64," in page
    assert page.index("False alarms") < page.index("<h3>Missed") < page.index("<h3>Found")


def test_names_in_the_report_are_text_and_never_markup(
    run_training: Trainer, tmp_path: Path
) -> None:
    table = write_set(tmp_path / "images", DrawnSet({"leopard": 2, "blank": 2}, locations=4))
    text = table.read_text().replace(",place0,", ",<script>alert(1)</script>,")
    table.write_text(text)
    run_training(tmp_path / "pack", data=table, recipe=QUICK)
    assert "<script>" not in (tmp_path / "pack/report/index.html").read_text()


def test_people_are_never_among_the_golden_frames(tmp_path: Path) -> None:
    colors = {"leopard": 60, "person": 200}
    for label, level in colors.items():
        for number in range(6):
            frame = np.clip(draw("blank", number).astype(int) // 8 + level, 0, 255)
            save(tmp_path / label / f"{number}.png", frame.astype(np.uint8))
    dataset = load_dataset(read_labels(tmp_path), {})
    split = split_images(dataset.images, ["leopard"], seed=0)
    images = golden_images(dataset, split, preprocess_spec(32), Strips())
    assert all(image.mean() < 120 for image in images[6:])


@pytest.mark.parametrize(
    ("targets", "name"),
    [
        (["spotted cat"], "spotted-cat"),
        (["Löwe"], "l-we"),
        (["猫"], "task"),
        (["a", "b"], "a-and-1-more"),
    ],
)
def test_the_task_is_named_after_the_targets(targets: list[str], name: str) -> None:
    assert task_name(targets) == name


def test_a_split_that_is_given_is_used_as_it_is(
    run_training: Trainer, trained: tuple[Path, TrainResult], tmp_path: Path
) -> None:
    split = trained[0] / "report/split.csv"
    result = run_training(tmp_path / "pack", recipe=QUICK, split=split)
    assert result.manifest.training.split_sha256 == sha256_file(split)
    assert result.summary.split == "as given"


def test_the_report_tells_how_thresholds_and_method_were_chosen(
    trained: tuple[Path, TrainResult],
) -> None:
    page = (trained[0] / "report/index.html").read_text()
    assert "How the thresholds were chosen" in page


def test_what_the_training_took_lies_beside_the_report_and_not_in_it(
    trained: tuple[Path, TrainResult],
) -> None:
    folder, result = trained
    costs = read_costs(folder)
    assert costs == result.costs
    assert costs is not None
    assert set(costs.methods_s) == {"zero-shot", "visual+head"}
    assert sum(costs.methods_s.values()) <= costs.learning_s
    assert costs.features_s + costs.learning_s < costs.seconds  # it is tested and reported too
    assert 50 < costs.peak_memory_mb < 100_000
    assert "costs.json" in (folder / "report/index.html").read_text()
    assert read_costs(folder / "report") is None


def test_the_looks_at_the_test_images_outlive_a_pack_that_is_replaced(
    run_training: Trainer, tmp_path: Path
) -> None:
    run_training(tmp_path / "pack", recipe=QUICK)
    again = run_training(tmp_path / "pack", recipe=QUICK, overwrite=True)
    assert any("opened before" in note for note in again.notes)
