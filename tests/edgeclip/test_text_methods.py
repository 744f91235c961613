"""Adapters of the text side beside those of the image side: together, in turn, stored, removed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.composing import frozen_parts
from edgeclip.adapters.model import AdapterModel, FeatureGraph, arrays, run_head
from edgeclip.adapters.stored import Stored, compose
from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.errors import ConfigError
from edgeclip.methods import Base, Method, fitted, fresh_model, parse_method
from edgeclip.prompts import class_prompts, column_class
from edgeclip.text_side import TextSide
from edgeclip.training import TrainingRows
from edgeclip.weight_hash import hash_weights
from support.text_bases import leopard_base, separable_rows, small_text_backbone
from support.tiny_packs import write_encoder

RECIPE = Recipe(steps=12, batch=16, learning_rate=0.01, attention=6)
TOGETHER = "visual+xmodal+prompt+head"
TEXT_SIDE = ["xmodal", "prompt", "text", "text_block"]


@pytest.fixture(scope="module")
def text_backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return small_text_backbone(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def base(text_backbone: Backbone) -> Base:
    return leopard_base(text_backbone)


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    return separable_rows()


def _logits(rows: TrainingRows, tensors: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.asarray(run_head(rows.features.z, rows.features.f, tensors).logits)


def _zero_shot(base: Base, rows: TrainingRows) -> NDArray[np.float32]:
    return _logits(rows, AdapterModel(base.start, ()).pack_tensors())


def _again(part: Stored) -> Stored:
    """Return a component after it was written and read."""
    slots, moves = (load(save(dict(tensors))) for tensors in (part.slots, part.moves))
    return Stored(part.kind, part.fusion, slots, moves)


@pytest.mark.parametrize("name", [*TEXT_SIDE, TOGETHER])
def test_invariant_1_fresh_methods_of_the_text_side_are_zero_shot_bit_for_bit(
    base: Base, rows: TrainingRows, name: str
) -> None:
    model = fresh_model(parse_method(name), base, rows, RECIPE)
    np.testing.assert_array_equal(_logits(rows, model.pack_tensors()), _zero_shot(base, rows))


@pytest.mark.parametrize("name", [*TEXT_SIDE, TOGETHER])
def test_invariant_14_and_32_a_fit_leaves_both_towers_alone_and_repeats_bit_for_bit(
    text_backbone: Backbone, base: Base, rows: TrainingRows, name: str
) -> None:
    text, _ = text_backbone.text_model()
    before = [hash_weights(m.state_dict()) for m in (text, text_backbone.tower)]
    first, again = (fitted(parse_method(name), base, rows, RECIPE) for _ in range(2))
    assert [hash_weights(m.state_dict()) for m in (text, text_backbone.tower)] == before
    tensors, same = first.pack_tensors(), again.pack_tensors()
    assert all((tensors[slot] == same[slot]).all() for slot in tensors)
    assert (_logits(rows, tensors) != _zero_shot(base, rows)).any()


def test_what_is_trained_together_is_stored_and_loaded_bit_for_bit(
    base: Base, rows: TrainingRows
) -> None:
    model = fitted(parse_method(TOGETHER), base, rows, RECIPE)
    kept = [_again(part) for part in model.stored()]
    assert [part.kind for part in kept] == ["visual", "xmodal", "prompt", "head"]
    tensors = model.pack_tensors()
    loaded = compose(arrays(base.start.slots()), kept)
    assert set(loaded) == set(tensors)
    np.testing.assert_array_equal(_logits(rows, loaded), _logits(rows, tensors))


def test_one_after_the_other_leaves_what_was_trained_before_as_it_was(
    base: Base, rows: TrainingRows
) -> None:
    """Visual first, then prompts on top of it, then cross-modal on top of both."""
    parts: list[Stored] = []
    for name in ("visual", "prompt", "xmodal"):
        on_top = Base(base.start, base.graph, tuple(frozen_parts(parts)), base.text)
        before = compose(arrays(base.start.slots()), parts)
        fresh = fresh_model(parse_method(name), on_top, rows, RECIPE)
        np.testing.assert_array_equal(_logits(rows, fresh.pack_tensors()), _logits(rows, before))
        model = fitted(parse_method(name), on_top, rows, RECIPE)
        stored = [_again(part) for part in model.stored()]
        for old, new in zip(parts, stored, strict=False):
            assert old.kind == new.kind
            assert all((old.slots[slot] == new.slots[slot]).all() for slot in old.slots)
            assert all((old.moves[slot] == new.moves[slot]).all() for slot in old.moves)
        parts = stored
    assert [part.kind for part in parts] == ["visual", "prompt", "xmodal"]
    assert all((part.slots or part.moves) for part in parts)


def test_a_component_is_taken_away_and_put_back_without_training_the_others(
    base: Base, rows: TrainingRows
) -> None:
    model = fitted(parse_method("visual+xmodal+prompt"), base, rows, RECIPE)
    visual, xmodal, prompt = model.stored()
    start = arrays(base.start.slots())
    whole = _logits(rows, compose(start, [visual, xmodal, prompt]))
    without = _logits(rows, compose(start, [visual, prompt]))
    assert (without != whole).any()
    np.testing.assert_array_equal(_logits(rows, compose(start, [prompt, visual, xmodal])), whole)
    alone = compose(start, [prompt])
    assert set(alone) == {"class_weights", "class_bias", "logit_scale"}


@pytest.mark.parametrize("kind", ["random", "shuffled"])
def test_tokens_without_a_meaning_train_the_same_number_of_parameters(
    base: Base, rows: TrainingRows, kind: str
) -> None:
    recipe = RECIPE.model_copy(update={"xmodal": kind})
    text, other = (fitted(parse_method("xmodal"), base, rows, r) for r in (RECIPE, recipe))
    assert sum(p.numel() for p in text.parameters()) == sum(p.numel() for p in other.parameters())
    assert (text.pack_tensors()["xm_v"] != other.pack_tensors()["xm_v"]).any()


def test_methods_of_the_text_side_say_that_they_need_the_prompts(
    base: Base, rows: TrainingRows
) -> None:
    with pytest.raises(ValueError, match="need the prompts"):
        fresh_model(Method("xmodal", ("xmodal",)), Base(base.start, base.graph), rows, RECIPE)


def test_prompts_through_an_unknown_text_tower_are_refused_and_xmodal_is_not(
    tmp_path: Path, rows: TrainingRows
) -> None:
    backbone = write_encoder(tmp_path, text={"embed_cls": True}, custom_text=True).load()
    prompts = class_prompts(["leopard", "blank"], {})
    side = TextSide(backbone, prompts)
    features = backbone.embed_prompts(side.columns)
    start = ZeroShot.of(features, column_class(prompts), 20.0)
    own = Base(start, FeatureGraph(), text=side)
    fitted(parse_method("visual+xmodal"), own, rows, RECIPE)
    with pytest.raises(ConfigError, match="cannot be trained through"):
        fresh_model(parse_method("prompt"), own, rows, RECIPE)
