"""The carried backbone loads, behaves, knows what it was taught and not what was held out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.demo_backbone import HELD_OUT, leopard_scores, zero_shot_accuracy
from edgeclip.clip import DEMO, DEMO_FOLDER, Backbone, load_backbone
from edgeclip.scenes.captions import Facts
from scripts.contrastive import augment, contrastive_loss, matches
from scripts.train_demo_backbone import Options, train

TINY = Options(scenes=6, steps=3, batch=6, processes=1)


@pytest.fixture(scope="module")
def demo() -> Backbone:
    return load_backbone(DEMO)


@pytest.fixture(scope="module")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = json.loads((DEMO_FOLDER / "demo.json").read_text())
    config["embed_dim"] = 16
    config["vision_cfg"] |= {"layers": 1, "width": 32, "head_width": 16, "patch_size": 24}
    config["text_cfg"] |= {"layers": 1, "width": 16, "vocab_size": 49408}
    path = tmp_path_factory.mktemp("config") / "tiny-demo.json"
    path.write_text(json.dumps(config))
    return path


def test_the_weights_take_less_than_twelve_megabytes() -> None:
    assert (DEMO_FOLDER / "demo.safetensors").stat().st_size < 12_000_000


def test_the_backbone_takes_96_px_and_has_a_few_million_parameters(demo: Backbone) -> None:
    assert demo.preprocess.size == 96
    assert demo.base.image_size == 96
    assert demo.base.params < 4_000_000
    assert demo.base.activation == "gelu"


@pytest.mark.parametrize("grey", [0, 128, 255], ids=["black", "grey", "white"])
def test_features_of_flat_frames_are_finite(demo: Backbone, grey: int) -> None:
    z, f = demo.embed_images(np.full((2, 96, 96, 3), grey, np.uint8))
    assert f.shape == (2, demo.base.embed_dim)
    assert torch.isfinite(z).all()
    assert torch.isfinite(f).all()
    assert f.norm(dim=1).min() > 1e-3  # so that they can be normalised


def test_prompt_features_have_unit_norm_also_for_words_never_seen(demo: Backbone) -> None:
    text = demo.embed_prompts([["a zebra"], ["a leopard"], ["xylophone quartz"]])
    assert torch.allclose(text.norm(dim=1), torch.ones(3), atol=1e-5)


def test_token_rows_of_words_never_seen_are_zero(demo: Backbone) -> None:
    rows = load_file(DEMO_FOLDER / "demo.safetensors")["token_embedding.weight"]

    _, tokenize = demo.text_model()

    def norm_of(word: str) -> float:
        token = tokenize([word])[0, 1]
        return float(rows[token].float().norm())

    assert norm_of("leopard") == 0
    assert norm_of("zebra") > 0
    assert norm_of("spotted") > 0


def test_the_facts_of_the_training_name_what_was_held_out() -> None:
    facts = json.loads((DEMO_FOLDER / "demo.facts.json").read_text())
    assert facts["held_out"] == [HELD_OUT]
    assert facts["command"].startswith("python scripts/train_demo_backbone.py")
    assert facts["loss_last"] < facts["loss_first"]


def test_species_it_was_taught_are_told_apart_by_name_at_new_locations(demo: Backbone) -> None:
    result = zero_shot_accuracy(demo, places=4, scenes=24)
    assert result["crops_top1"] > 6 * result["chance"]
    assert result["frames_top1"] > 4 * result["chance"]


def test_the_leopard_is_learned_from_images_and_not_known_by_name(demo: Backbone) -> None:
    scores = leopard_scores(demo, places=8)
    assert scores["linear_probe"]["crops_f1"] > scores["zero_shot_by_name"]["crops_f1"] + 0.2
    assert scores["linear_probe"]["crops_f1"] > 0.7


def test_a_caption_matches_each_image_whose_facts_include_its_own() -> None:
    zebra, lion, blank = (Facts(words) for words in (["zebra", "day"], ["lion", "day"], ["blank"]))
    stated = [Facts(["zebra"]), Facts(["day"]), Facts(["blank"])]
    assert matches(stated, [zebra, lion, blank]).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_the_loss_is_least_where_logits_agree_with_the_matches() -> None:
    match = matches(
        [Facts(["a"]), Facts(["a"]), Facts(["b"])], [Facts("a"), Facts("a"), Facts("b")]
    )
    agreeing = contrastive_loss(20 * match, match)
    assert agreeing < contrastive_loss(torch.zeros(3, 3), match)
    assert agreeing < contrastive_loss(20 * (1 - match), match)


def test_augmented_views_keep_range_and_shape() -> None:
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), np.uint8))
    images = augment(pixels, torch.Generator().manual_seed(0))
    assert images.shape == (4, 3, 96, 96)
    assert images.min() >= 0
    assert images.max() <= 1


def test_a_training_run_is_repeated_bit_by_bit_and_changes_with_its_seed(
    tiny_config: Path,
) -> None:
    first, facts = train(TINY, tiny_config)
    assert train(TINY, tiny_config)[0] == first
    assert train(replace(TINY, seed=1), tiny_config)[0] != first
    assert facts["options"]["steps"] == 3
    assert facts["views"] >= 6


def test_the_weights_of_a_run_load_as_a_backbone(tiny_config: Path, tmp_path: Path) -> None:
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(train(TINY, tiny_config)[0])
    backbone = load_backbone(str(tiny_config), str(weights))
    assert backbone.base.embed_dim == 16
