from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.stages import StageAdapters, StageGraph, StageSettings
from edgeclip.clip import Backbone
from edgeclip.errors import ConfigError
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import Features, encode_regions, feature_key
from edgeclip.labels.dataset import Dataset
from edgeclip.regions import Region, Strips, regions_of
from edgeclip.token_cache import TokenCache
from edgeclip.token_features import TokenLevel, encode_with_tokens, token_key
from edgeclip.training import inputs_of
from support.samples import HASH, preprocess_spec
from support.tiny_packs import write_encoder
from support.towers import RESNET, VIT, random_start


def _encode(dataset: Dataset, backbone: Backbone, level: TokenLevel) -> Features:
    regions = regions_of(dataset.images, range(3), views=2)
    return encode_with_tokens(dataset.images, regions, backbone, level=level, strips=Strips())


def _level(folder: Path | None, cut: int = 1) -> TokenLevel:
    return TokenLevel(cut, FeatureCache(folder), TokenCache(folder))


def test_tokens_are_those_of_the_lower_part_and_features_those_of_the_tower(
    dataset: Dataset, backbone: Backbone
) -> None:
    found = _encode(dataset, backbone, _level(None))
    regions = regions_of(dataset.images, range(3), views=2)
    plain = encode_regions(
        dataset.images, regions, backbone, cache=FeatureCache(None), strips=Strips()
    )
    np.testing.assert_allclose(found.f, plain.f, atol=1e-6)
    np.testing.assert_allclose(found.z, plain.z, atol=1e-6)
    assert found.tokens is not None
    _, upper = backbone.split(1)
    with torch.inference_mode():
        again = upper(torch.from_numpy(found.tokens.array()).float())
    np.testing.assert_allclose(again.f.numpy(), plain.f, atol=0.01)  # float16 in between


def test_rows_of_features_take_their_tokens_with_them(dataset: Dataset, backbone: Backbone) -> None:
    found = _encode(dataset, backbone, _level(None))
    some = found.rows([4, 1])
    assert found.tokens is not None
    assert some.tokens is not None
    np.testing.assert_array_equal(some.tokens.array(), found.tokens.array()[[4, 1]])


def test_a_warm_cache_computes_nothing(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    first = _encode(dataset, backbone, _level(tmp_path))
    warm = _level(tmp_path)
    second = _encode(dataset, backbone, warm)
    assert (warm.tokens.misses, warm.features.misses) == (0, 0)
    assert first.tokens is not None
    assert second.tokens is not None
    np.testing.assert_array_equal(first.tokens.array(), second.tokens.array())
    np.testing.assert_array_equal(first.f, second.f)


def test_tokens_of_another_cut_are_computed_anew(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    _encode(dataset, backbone, _level(tmp_path))
    other = _level(tmp_path, cut=2)
    _encode(dataset, backbone, other)
    assert (other.tokens.hits, other.features.misses) == (0, 0)


def test_invariant_33_the_key_changes_with_all_that_tokens_depend_on() -> None:
    spec, region = preprocess_spec(32), Region(0, None, 0)
    usual = feature_key(HASH, region, spec, HASH, Strips())
    keys = [
        token_key(usual, 4),
        token_key(usual, 3),
        token_key(feature_key("b" * 64, region, spec, HASH, Strips()), 4),
        token_key(feature_key(HASH, Region(0, None, 1), spec, HASH, Strips()), 4),
        token_key(
            feature_key(HASH, region, spec.model_copy(update={"margin": 0.3}), HASH, Strips()), 4
        ),
        token_key(feature_key(HASH, region, spec, "b" * 64, Strips()), 4),
    ]
    assert len({usual, *keys}) == 7


@pytest.mark.parametrize(("cut", "last"), [(0, 4), (3, 1)])
def test_of_a_resnet_the_activations_between_its_stages_are_kept(
    dataset: Dataset, tmp_path: Path, cut: int, last: int
) -> None:
    backbone = write_encoder(tmp_path / "resnet", vision=RESNET).load()
    found = _encode(dataset, backbone, _level(None, cut))
    start = random_start(backbone.base.embed_dim)
    inputs = inputs_of(found, np.arange(12))
    adapters = StageAdapters(backbone.tower, StageSettings(last=last))
    with torch.inference_mode():
        deep = AdapterModel(start, [adapters], StageGraph(backbone.tower, cut))(inputs).logits
        plain = AdapterModel(start, ())(inputs).logits
    assert torch.isfinite(deep).all()
    torch.testing.assert_close(deep, plain, atol=0.1, rtol=0)  # float16 in between


@pytest.mark.parametrize(
    ("vision", "message"),
    [
        (RESNET, r"cut 5 is not in 0\.\.4"),
        (VIT | {"attentional_pool": True, "attn_pooler_heads": 2}, "pools by attention"),
    ],
    ids=["no such stage", "unknown tower"],
)
def test_a_tower_that_cannot_be_cut_is_refused_before_any_image_is_read(
    dataset: Dataset, tmp_path: Path, vision: dict[str, object], message: str
) -> None:
    backbone = write_encoder(tmp_path / "other", vision=vision).load()
    with pytest.raises((ConfigError, ValueError), match=message):
        _encode(dataset, backbone, _level(None, 5))
