"""`--method meta`, from the command's configuration to the pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeclip.adapters.meta import MetaWeights
from edgeclip.adapters.meta_files import meta_sha256, read_meta, write_meta
from edgeclip.adapters.meta_training import MetaSettings, train_meta
from edgeclip.clip import Backbone, load_backbone
from edgeclip.config import Recipe
from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import ConfigError, PackError
from edgeclip.labels.reading import ReadingOptions
from edgeclip.meta_weights import CARRIED, meta_weights_for
from edgeclip.packs import check_golden, load_pack
from edgeclip.regions import Strips
from edgeclip.scenes.species import SPECIES
from edgeclip.trainer import TrainResult
from scripts.train_meta import images_as_base
from support.tiny_packs import EMBED_DIM

RECIPE = Recipe(steps=5, views=1, batch=32, seed=3)
Trainer = Callable[..., TrainResult]


@pytest.fixture(scope="module")
def weights(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights for the tiny encoder, whose gate stands open: examples count more than words."""
    path = tmp_path_factory.mktemp("meta") / "meta.safetensors"
    made = MetaWeights(EMBED_DIM)
    made.bias.data = torch.tensor(4.0)
    encoder = backbone.base.weights_sha256
    write_meta(made, path, encoder_sha256=encoder, classes=("lion", "zebra"))
    return path


def test_its_pack_is_an_ordinary_class_matrix_that_comes_out_bit_for_bit_again(
    run_training: Trainer, backbone: Backbone, weights: Path, tmp_path: Path
) -> None:
    options = {"method": "meta", "meta_weights": weights, "recipe": RECIPE, "folds": 2}
    options["targets"] = ("zebra",)  # which the tiny encoder's words do not find
    result = run_training(tmp_path / "pack", **options)
    zero_shot, meta = result.learned.ladder.steps
    assert meta.score.average_precision > zero_shot.score.average_precision + 0.5
    assert result.learned.method.name == "meta"
    pack = load_pack(tmp_path / "pack")
    assert check_golden(pack, backbone) < 1e-5
    manifest = pack.manifest
    assert (manifest.method, manifest.fusion_class, manifest.graph) == ("meta", "F0", "head")
    slots = {"class_weights", "class_bias", "logit_scale", "temperature"}
    assert set(manifest.slots) == slots
    assert manifest.training.trainable_params == 0
    assert result.comparison.contenders[0].steps == 0
    encoder = backbone.base.weights_sha256
    known = meta_sha256(read_meta(weights, encoder_sha256=encoder))
    assert manifest.training.meta_sha256 == known
    run_training(tmp_path / "again", **options)
    for name in ("adapter.safetensors", "parts.safetensors", "golden.npz", "pack.json"):
        assert sha256_file(tmp_path / "pack" / name) == sha256_file(tmp_path / "again" / name)


def test_it_goes_on_top_of_a_trained_adapter(
    run_training: Trainer, weights: Path, tmp_path: Path
) -> None:
    result = run_training(
        tmp_path / "pack", method="visual+meta", meta_weights=weights, folds=2,
        recipe=Recipe(steps=40, views=1, batch=64, learning_rate=0.0015, seed=3),
    )  # fmt: skip
    kinds = [part.kind for part in result.manifest.adapters]
    assert kinds == ["visual", "meta"]


def test_a_backbone_without_weights_says_what_to_do_before_any_work(
    run_training: Trainer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="needs weights for tiny-vit, and none are carried"):
        run_training(tmp_path / "pack", method="meta", recipe=RECIPE)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_no_method_asks_for_are_refused(
    run_training: Trainer, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="is for --method meta, not for visual"):
        run_training(tmp_path / "pack", method="visual", meta_weights=weights, recipe=RECIPE)


def test_weights_of_another_encoder_are_refused(run_training: Trainer, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="was trained on the encoder"):
        run_training(tmp_path / "pack", method="meta", meta_weights=CARRIED, recipe=RECIPE)


def test_the_carried_weights_belong_to_the_demo_backbone_and_are_small() -> None:
    demo = load_backbone("demo", None)
    found = meta_weights_for("meta", None, demo.base)
    assert found is not None
    assert len(found.gate) == demo.base.embed_dim
    assert CARRIED.stat().st_size < 1_000_000


def test_the_carried_weights_have_never_seen_the_held_out_species() -> None:
    from safetensors import safe_open

    with safe_open(CARRIED, framework="np") as opened:
        about = opened.metadata()["about"]
    held_out = [name for name, kind in SPECIES.items() if kind.held_out]
    assert held_out
    assert not any(name in about for name in held_out)
    assert "zebra" in about


def test_the_carried_weights_follow_the_images_where_the_name_says_nothing() -> None:
    demo = load_backbone("demo", None)
    found = meta_weights_for("meta", None, demo.base)
    assert found is not None
    text = demo.embed_prompts([["a photo of a wolverine"]])
    drawn = torch.from_numpy(np.random.default_rng(1).normal(size=(8, demo.base.embed_dim)))
    images = torch.nn.functional.normalize(drawn.float() + 3 * text, dim=1)
    with torch.no_grad():
        moved = found(text, images[None], torch.ones(1, 8, dtype=torch.bool))
    mean = torch.nn.functional.normalize(images.mean(dim=0), dim=0)
    assert float(moved @ mean) > float(text @ mean)


def test_weights_are_trained_from_labelled_images_of_a_persons_own(
    backbone: Backbone, table: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("scripts.train_meta.default_cache", lambda: tmp_path / "cache")
    base, names = images_as_base(ReadingOptions(data=table), backbone, Strips())
    assert names == ["blank", "leopard", "zebra"]
    assert base.counts.tolist() == [48, 48, 48]  # a frame and a crop of each of 24 images
    weights = train_meta(base, MetaSettings(steps=3))
    assert len(weights.gate) == EMBED_DIM
