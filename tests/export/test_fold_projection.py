"""What moves the projection is folded into the encoder before a pack is baked in."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.clip import Backbone
from edgeclip.contract.slots import filled_slots
from edgeclip.weight_hash import hash_weights
from edgeclip_export.bake import BakedModel, fold_projection
from edgeclip_export.parity import fused_outputs, torch_outputs
from support.tiny_packs import (
    EMBED_DIM,
    WIDTH,
    Tensors,
    random_tensors,
)

VISUAL = ("va_down", "va_up", "va_ratio")
MOVED = ("projection_delta",)


def _slots(names: tuple[str, ...]) -> Tensors:
    return filled_slots(random_tensors(1, columns=3, names=names), width=WIDTH, embed_dim=EMBED_DIM)


def test_invariant_11_folded_and_bound_projections_agree_and_the_encoder_stays(
    backbone: Backbone,
) -> None:
    slots = _slots((*MOVED, *VISUAL))
    images = np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3), np.uint8)
    before = hash_weights(backbone.tower.state_dict())
    bound = torch_outputs(backbone, images, slots)
    folded, rest = fold_projection(backbone, slots)
    found = fused_outputs(BakedModel(folded, "fp32", "head", rest).eval(), images, {})
    for name in ("image_features", "logits", "probabilities"):
        np.testing.assert_allclose(found[name], bound[name], atol=1e-5)
    assert np.abs(found["base_embedding"] - bound["base_embedding"]).max() > 0.01
    assert hash_weights(backbone.tower.state_dict()) == before
    assert folded.tower.visual is backbone.tower.visual, "no copy of the weights"


def test_a_moved_projection_that_is_not_folded_is_refused(backbone: Backbone) -> None:
    slots = _slots(MOVED)
    with pytest.raises(ValueError, match="projection_delta is not folded"):
        BakedModel(backbone, "fp32", "head", slots)
    plain = _slots(())
    assert fold_projection(backbone, plain) == (backbone, plain)
