from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeclip.adapters.stored import compose
from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import ConfigError, PackError
from edgeclip.pack_making import version_after
from edgeclip.pack_parts import read_parts
from edgeclip.packs import golden_outputs, load_pack
from edgeclip.trainer import TrainResult
from support.tiny_packs import write_encoder

QUICK = Recipe(steps=5, views=1, seed=3)
Trainer = Callable[..., TrainResult]


def test_adapters_are_trained_one_after_the_other_and_the_first_stay_bit_for_bit(
    run_training: Trainer, tmp_path: Path
) -> None:
    recipe = Recipe(steps=40, views=1, batch=64, learning_rate=0.0015, seed=3)
    weak = recipe.model_copy(update={"steps": 5})
    run_training(tmp_path / "first", recipe=weak, method="visual", folds=1)
    second = run_training(
        tmp_path / "second", recipe=recipe, method="head", folds=1, on=tmp_path / "first"
    )
    first, both = (load_pack(tmp_path / name) for name in ("first", "second"))
    assert [part.kind for part in both.manifest.adapters] == ["visual", "head"]
    for name in ("va_down", "va_up", "va_ratio"):
        assert (first.tensors[name] == both.tensors[name]).all()
    assert (first.tensors["class_weights"] != both.tensors["class_weights"]).any()
    assert second.learned.parameters == both.tensors["class_weights"].size


def test_where_nothing_better_is_learned_beside_it_the_earlier_pack_comes_back_as_it_was(
    trained: tuple[Path, TrainResult], run_training: Trainer, backbone: Backbone, tmp_path: Path
) -> None:
    unlearned = QUICK.model_copy(update={"steps": 0})
    result = run_training(tmp_path / "same", recipe=unlearned, method="prompt", on=trained[0])
    first, again = load_pack(trained[0]), load_pack(tmp_path / "same")
    steps = result.learned.ladder.steps
    assert [step.entry.name for step in steps[:2]] == ["earlier pack", "zero-shot"]
    assert [step.verdict for step in steps[:2]] == ["the floor", "for comparison"]
    assert again.manifest.adapters == first.manifest.adapters
    assert again.manifest.method == "visual+head"
    own = {name: tensor for name, tensor in first.tensors.items() if name != "temperature"}
    assert all(np.array_equal(again.tensors[name], tensor) for name, tensor in own.items())
    assert again.tensors.keys() == first.tensors.keys()
    shown = first.golden.images
    logits = [golden_outputs(shown, backbone, pack.tensors).logits for pack in (first, again)]
    assert np.array_equal(logits[0], logits[1])
    assert (again.manifest.training.steps, again.manifest.training.trainable_params) == (0, 0)
    assert any(note.startswith("EARLIER PACK KEPT") for note in result.notes)


def test_what_is_trained_on_a_pack_must_beat_that_pack_and_not_zero_shot(
    trained: tuple[Path, TrainResult], run_training: Trainer, tmp_path: Path
) -> None:
    result = run_training(tmp_path / "new", recipe=QUICK, method="gda", on=trained[0], folds=2)
    floor, zero_shot, tried = result.learned.ladder.steps
    assert floor.score.log_loss < zero_shot.score.log_loss
    assert tried.difference is not None
    assert tried.difference.theirs == tried.score.against(floor.score).theirs
    assert zero_shot.difference is not None
    assert not zero_shot.kept


def test_a_pack_on_an_earlier_one_has_the_next_version_so_that_a_bundle_takes_it(
    pack: Path, run_training: Trainer, tmp_path: Path
) -> None:
    fields = {"recipe": QUICK, "method": "gda", "folds": 1, "on": pack}
    assert run_training(tmp_path / "new", **fields).manifest.version == "1.1.0"
    earlier = load_pack(pack).manifest.model_copy(update={"version": "2.9.4"})
    assert version_after(earlier, earlier.task) == "2.10.0"
    assert version_after(earlier, "another") == version_after(None, "leopard") == "1.0.0"


@pytest.mark.parametrize("method", ["gda", "zero-shot"])
def test_a_pack_that_took_no_gradient_step_says_so(
    method: str, run_training: Trainer, tmp_path: Path
) -> None:
    manifest = run_training(tmp_path / "pack", recipe=QUICK, method=method, folds=2).manifest
    assert manifest.method == method
    assert (manifest.training.steps, manifest.training.trainable_params) == (0, 0)


def test_an_earlier_pack_of_other_classes_is_refused(run_training: Trainer, tmp_path: Path) -> None:
    run_training(tmp_path / "first", recipe=QUICK, method="visual", folds=1)
    with pytest.raises(ConfigError, match="has other classes or prompts than this training"):
        run_training(
            tmp_path / "second", recipe=QUICK, method="head", on=tmp_path / "first",
            classes={"leopard": ("leopard",), "blank": ("blank",)},
        )  # fmt: skip


def test_an_earlier_pack_that_is_none_is_refused(run_training: Trainer, tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"holds no readable pack\.json"):
        run_training(tmp_path / "second", recipe=QUICK, method="head", on=tmp_path)


@pytest.mark.parametrize("method", ["block_xmodal", "block+xmodal+head", "block+prompt"])
def test_what_reads_prompts_inside_the_encoder_is_timed_like_the_others(
    run_training: Trainer, tmp_path: Path, method: str
) -> None:
    with pytest.raises(ConfigError, match=r"takes about \d+ minutes here, --budget-minutes 0 are"):
        run_training(tmp_path / "pack", method=method, recipe=QUICK, budget_minutes=0.0)


def test_auto_ends_with_a_ladder_in_the_report(run_training: Trainer, tmp_path: Path) -> None:
    result = run_training(tmp_path / "pack", method="auto", recipe=QUICK, budget_minutes=0)
    tried = [step.entry.name for step in result.learned.ladder.steps]
    assert tried[:3] == ["zero-shot", "head", "gda"]
    assert "block+head" in result.learned.ladder.skipped
    assert "--budget-minutes" in result.learned.ladder.skipped["block+head"]
    page = (tmp_path / "pack/report/index.html").read_text()
    assert "How the method was chosen" in page


def test_text_samples_are_refused_or_said_where_they_would_teach_nothing(
    run_training: Trainer, tmp_path: Path
) -> None:
    recipe = QUICK.model_copy(update={"text_samples": True})
    with pytest.raises(ConfigError, match=r"linear\+head: text_samples teach linear nothing"):
        run_training(tmp_path / "named", method="linear+head", recipe=recipe)
    found = run_training(tmp_path / "pack", method="auto", recipe=recipe, folds=1)
    assert "text_samples teach it nothing" in found.learned.ladder.skipped["linear"]
    assert "linear" not in [step.entry.name for step in found.learned.ladder.steps]


def test_mlp_ln_is_refused_before_all_work_by_an_encoder_that_it_cannot_be_baked_into(
    run_training: Trainer, tmp_path: Path
) -> None:
    vision: dict[str, object] = {
        "image_size": 32, "layers": 1, "width": 16, "patch_size": 8, "head_width": 16,
    }  # fmt: skip
    narrow = write_encoder(tmp_path / "narrow", vision=vision)
    given = {"backbone": str(narrow.config), "pretrained": str(narrow.weights)}
    with pytest.raises(ConfigError, match="which has 16 numbers before its projection and 24"):
        run_training(tmp_path / "pack", method="mlp_ln+head", recipe=QUICK, **given)


@pytest.mark.slow
def test_auto_tries_adapters_inside_the_encoder_where_the_budget_allows(
    run_training: Trainer, tmp_path: Path
) -> None:
    result = run_training(
        tmp_path / "pack", method="auto", recipe=QUICK, folds=2, budget_minutes=1000
    )
    assert result.learned.ladder.steps[-1].entry.name == "block+head"


def test_a_method_inside_the_encoder_trains_and_makes_a_deep_pack(
    run_training: Trainer, tmp_path: Path
) -> None:
    recipe = Recipe(steps=60, views=1, token_batch=32, learning_rate=0.003, seed=3)
    result = run_training(tmp_path / "pack", method="block+head", recipe=recipe, folds=1)
    manifest = load_pack(tmp_path / "pack").manifest
    assert (manifest.graph, manifest.fusion_class, manifest.method) == ("deep", "F2", "block+head")
    assert manifest.slots["ba_down"][0] == 2
    assert result.learned.choice.chosen.score.average_precision > 0.9


def test_invariant_28_a_later_training_leaves_an_earlier_pack_bit_for_bit(
    run_training: Trainer, backbone: Backbone, tmp_path: Path
) -> None:
    run_training(tmp_path / "a", recipe=QUICK, folds=1)
    before = {path: sha256_file(path) for path in (tmp_path / "a").rglob("*") if path.is_file()}
    first = load_pack(tmp_path / "a")
    frames = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)
    logits = golden_outputs(frames, backbone, first.tensors).logits
    run_training(tmp_path / "b", recipe=QUICK, folds=1, targets=("zebra",), on=tmp_path / "a",
                 method="gda")  # fmt: skip
    assert before == {path: sha256_file(path) for path in before}
    again = golden_outputs(frames, backbone, load_pack(tmp_path / "a").tensors)
    assert np.array_equal(again.logits, logits)
    second = load_pack(tmp_path / "b")
    assert [part.kind for part in second.manifest.adapters][-1] == "gda"
    assert not np.array_equal(golden_outputs(frames, backbone, second.tensors).logits, logits)
    start, parts = read_parts(tmp_path / "b", second.manifest, second.tensors)
    without = golden_outputs(frames, backbone, compose(start, parts[:-1])).logits
    assert np.array_equal(without, logits)  # what was added taken out again: the first, bit for bit
