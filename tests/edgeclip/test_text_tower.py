from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from edgeclip.clip import Backbone
from edgeclip.errors import ConfigError, DataError
from edgeclip.text_tower import TextTower, text_tower
from edgeclip.weight_hash import hash_weights
from support.tiny_packs import write_encoder

SENTENCES = ["a leopard", "branches and leaves moving in the wind", "an empty scene, no animal."]
KINDS: dict[str, tuple[dict[str, object], bool]] = {
    "clip": ({}, False),
    "custom": ({}, True),
    "eos": ({"pool_type": "eos", "eos_id": 49407}, True),
    "last, seeing all": ({"pool_type": "last", "no_causal_mask": True, "proj_bias": True}, True),
    "argmax, seeing all": ({"no_causal_mask": True}, True),
    "first, seeing all": ({"pool_type": "first", "no_causal_mask": True}, True),
    "no projection": ({"proj_type": "none", "width": 24}, True),
}


def _backbone(folder: Path, text: dict[str, object], custom: bool) -> Backbone:
    shape = {"layers": 3, "context_length": 24}
    return write_encoder(folder, text={**shape, **text}, custom_text=custom).load()


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return _backbone(tmp_path_factory.mktemp("text"), {}, custom=False)


@pytest.fixture
def tower(backbone: Backbone) -> TextTower:
    return text_tower(backbone)


def _unit(tower: TextTower, sentences: list[str]) -> Tensor:
    layout = tower.laid_out([tower.read(sentence) for sentence in sentences])
    return normalize(tower.features(layout), dim=1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tower_gives_the_features_that_open_clip_gives(
    tmp_path: Path, kind: str
) -> None:
    backbone = _backbone(tmp_path, *KINDS[kind])
    found = _unit(text_tower(backbone), SENTENCES)
    expected = backbone.embed_prompts([[sentence] for sentence in SENTENCES])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_blocks_run_in_two_parts_give_the_same(tower: TextTower) -> None:
    layout = tower.laid_out([tower.read(sentence) for sentence in SENTENCES])
    for cut in range(tower.blocks + 1):
        parts = tower.upper(tower.lower(layout, cut), layout, first=cut)
        torch.testing.assert_close(parts, tower.features(layout), atol=0, rtol=0)


def test_tokens_in_common_are_laid_out_once(tower: TextTower) -> None:
    rows = [tower.read(f"a photo of {name}") for name in ("grass", "a leopard")]
    alone, shared = tower.laid_out(rows, shared=1), tower.laid_out(rows, shared=4)
    assert alone.embeddings.shape[1] == shared.embeddings.shape[1] + 3
    torch.testing.assert_close(tower.features(alone), tower.features(shared), atol=1e-6, rtol=0)


def test_what_is_done_behind_a_block_reaches_the_features(tower: TextTower) -> None:
    layout = tower.laid_out([tower.read("a leopard")])
    seen: list[int] = []

    def after(index: int, hidden: Tensor) -> Tensor:
        seen.append(index)
        return 2 * hidden if index == 2 else hidden

    hidden = tower.lower(layout, 1)
    changed = tower.upper(hidden, layout, first=1, after=after)
    assert seen == [1, 2]
    # ln_final takes the factor away again, but for its epsilon
    torch.testing.assert_close(changed, tower.features(layout), atol=1e-3, rtol=1e-3)
    assert not torch.equal(changed, tower.features(layout))


def test_gradients_reach_what_is_put_in_and_leave_the_tower_as_it_was(
    backbone: Backbone, tower: TextTower
) -> None:
    model, _ = backbone.text_model()
    before = hash_weights(model.state_dict())
    row = tower.read("a leopard").requires_grad_()
    tower.features(tower.laid_out([row])).square().sum().backward()  # type: ignore[no-untyped-call]
    assert row.grad is not None
    assert (row.grad.abs().sum(1) > 0).all()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert hash_weights(model.state_dict()) == before


def test_a_sentence_longer_than_the_tower_reads_is_refused(tower: TextTower) -> None:
    assert tower.read("a " * 22).shape == (24, tower.width)
    with pytest.raises(DataError, match="has 25 tokens, the text tower reads 24: shorten it"):
        tower.read("a " * 23)
    row = tower.read("a " * 22)
    with pytest.raises(DataError, match="with its learned words has 26 tokens"):
        tower.laid_out([torch.cat([row[:1], row[:2], row[1:]])])


@pytest.mark.parametrize(
    ("text", "custom"),
    [
        ({"embed_cls": True}, True),
        ({"pool_type": "eos"}, True),
        ({"pool_type": "none"}, True),
    ],
    ids=["class token", "another end", "no pooling"],
)
def test_a_tower_that_is_not_known_is_refused(
    tmp_path: Path, text: dict[str, object], custom: bool
) -> None:
    with pytest.raises(ConfigError, match=r"TextTransformer, SimpleTokenizer.*cannot be trained"):
        text_tower(_backbone(tmp_path, text, custom))


def test_a_tower_that_masks_its_padding_is_refused(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = backbone.text_model()
    monkeypatch.setattr(model, "use_pad_mask", True, raising=False)
    with pytest.raises(ConfigError, match="cannot be trained through"):
        text_tower(backbone)


def test_a_tower_of_another_library_is_refused(backbone: Backbone) -> None:
    class Foreign:
        """As open_clip wraps towers of other libraries: nothing in it has the known names."""

        text = torch.nn.Linear(2, 2)

    _, tokenize = backbone.text_model()
    foreign = Backbone(
        backbone.base, backbone.preprocess, backbone.tower, 1.0, Foreign(), lambda: tokenize
    )
    with pytest.raises(ConfigError, match=r"tiny-vit \(Linear, SimpleTokenizer\)"):
        text_tower(foreign)
