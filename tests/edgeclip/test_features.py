from __future__ import annotations

import dataclasses
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeclip.clip import Backbone
from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import DataError
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import Features, encode_regions, feature_key
from edgeclip.labels.dataset import Dataset, LabelledImage
from edgeclip.regions import Region, Strips, regions_of
from edgeclip.weight_hash import hash_weights
from support.drawn_images import draw, save
from support.samples import HASH, preprocess_spec


def _encode(
    images: tuple[LabelledImage, ...], backbone: Backbone, cache: FeatureCache, *, count: int = 3
) -> Features:
    regions = regions_of(images, range(count), views=2)
    return encode_regions(images, regions, backbone, cache=cache, strips=Strips())


def test_features_are_those_of_the_encoder(dataset: Dataset, backbone: Backbone) -> None:
    features = _encode(dataset.images, backbone, FeatureCache(None))
    assert features.z.shape == (12, backbone.base.width)
    projected = features.z @ backbone.tower.projection.numpy()
    np.testing.assert_allclose(features.f, projected, atol=1e-4)


def test_a_warm_cache_computes_nothing_and_gives_the_same_bits(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    cold = FeatureCache(tmp_path)
    first = _encode(dataset.images, backbone, cold)
    warm = FeatureCache(tmp_path)
    second = _encode(dataset.images, backbone, warm)
    assert (cold.hits, cold.misses, warm.hits, warm.misses) == (0, 12, 12, 0)
    np.testing.assert_array_equal(first.z, second.z)
    np.testing.assert_array_equal(first.f, second.f)


def test_a_file_that_moved_is_still_known(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    _encode(dataset.images, backbone, FeatureCache(tmp_path / "cache"))
    moved = tuple(
        dataclasses.replace(i, path=Path(shutil.copy(i.path, tmp_path))) for i in dataset.images[:3]
    )
    cache = FeatureCache(tmp_path / "cache")
    _encode(moved + dataset.images[3:], backbone, cache)
    assert cache.misses == 0


def test_only_what_is_missing_is_computed(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    _encode(dataset.images, backbone, FeatureCache(tmp_path))
    cache = FeatureCache(tmp_path)
    _encode(dataset.images, backbone, cache, count=4)
    assert (cache.hits, cache.misses) == (12, 4)


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_shard_is_said_and_made_again(
    dataset: Dataset,
    backbone: Backbone,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    _encode(dataset.images, backbone, FeatureCache(tmp_path))
    (shard,) = tmp_path.glob("*.safetensors")
    whole = shard.read_bytes()
    shard.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"x" * 99}[damage])
    with caplog.at_level(logging.WARNING):
        cache = FeatureCache(tmp_path)
    assert "is made again" in caplog.text
    _encode(dataset.images, backbone, cache)
    assert cache.misses == 12
    assert FeatureCache(tmp_path).get("none") is None


def test_an_image_that_changes_meanwhile_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    from edgeclip.labels.dataset import load_dataset, read_labels

    save(tmp_path / "leopard/a.png", draw("leopard", 0))
    dataset = load_dataset(read_labels(tmp_path), {})
    save(tmp_path / "leopard/a.png", draw("leopard", 1))
    with pytest.raises(DataError, match="changed while it was used"):
        _encode(dataset.images, backbone, FeatureCache(None), count=1)


def test_the_key_changes_with_all_that_the_features_depend_on() -> None:
    spec, region = preprocess_spec(32), Region(0, None, 0)
    usual = feature_key(HASH, region, spec, HASH, Strips())
    others = [
        feature_key("b" * 64, region, spec, HASH, Strips()),
        feature_key(HASH, Region(0, (0.1, 0.1, 0.2, 0.2), 0), spec, HASH, Strips()),
        feature_key(HASH, Region(0, None, 1), spec, HASH, Strips()),
        feature_key(HASH, region, spec.model_copy(update={"margin": 0.3}), HASH, Strips()),
        feature_key(HASH, region, spec, "b" * 64, Strips()),
        feature_key(HASH, region, spec, HASH, Strips(top_px=1)),
    ]
    assert len({usual, *others}) == 7
    assert feature_key(HASH, Region(9, None, 0), spec, HASH, Strips()) == usual


def test_invariant_33_one_changed_pixel_changes_the_key(tmp_path: Path) -> None:
    frame = draw("leopard", 1)
    changed = frame.copy()
    changed[7, 9, 1] ^= 1
    keys = []
    for name, pixels in (("a", frame), ("again", frame), ("b", changed)):
        content = sha256_file(save(tmp_path / f"{name}.png", pixels))
        keys.append(feature_key(content, Region(0, None, 0), preprocess_spec(), HASH, Strips()))
    assert keys[0] == keys[1] != keys[2]


def test_invariant_33_each_field_of_the_preprocessing_changes_the_key() -> None:
    spec = preprocess_spec(32)
    others = {
        "version": spec.version + 1, "color": "BGR", "size": 48, "interp_down": "linear",
        "interp_up": "linear", "margin": 0.3, "mean": (0.5, 0.5, 0.4), "std": (0.5, 0.4, 0.5),
    }  # fmt: skip
    assert set(others) == set(type(spec).model_fields)
    specs = [spec, *(spec.model_copy(update={name: value}) for name, value in others.items())]
    keys = {feature_key(HASH, Region(0, None, 0), one, HASH, Strips()) for one in specs}
    assert len(keys) == len(specs)


def test_invariant_33_one_changed_base_weight_changes_the_key(backbone: Backbone) -> None:
    state = dict(backbone.tower.state_dict())
    name = next(name for name, value in state.items() if value.is_floating_point())
    other = state[name].clone()
    other.view(-1)[0] = torch.nextafter(other.view(-1)[0], torch.tensor(torch.inf))
    hashes = [hash_weights(state), hash_weights(state | {name: other})]
    keys = [
        feature_key(HASH, Region(0, None, 0), preprocess_spec(), weights, Strips())
        for weights in hashes
    ]
    assert keys[0] != keys[1]


def test_invariant_33_views_are_v_times_n_features_and_the_first_is_the_image_as_it_is(
    dataset: Dataset, backbone: Backbone
) -> None:
    views, embed_dim = 3, backbone.base.embed_dim
    cache = FeatureCache(None)

    def encoded(count: int) -> Features:
        regions = regions_of(dataset.images, range(4), views=count)
        return encode_regions(dataset.images, regions, backbone, cache=cache, strips=Strips())

    once, often = encoded(1).f, encoded(views).f
    by_view = often.reshape(len(once), views, embed_dim).transpose(1, 0, 2)
    assert by_view.shape == (views, len(once), embed_dim)
    np.testing.assert_allclose(by_view[0], once, atol=1e-5)
    assert all(np.abs(by_view[v] - by_view[0]).max() > 1e-4 for v in (1, 2))
