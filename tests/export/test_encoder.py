from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.contract.pack import PackManifest, read_pack_manifest
from edgeclip.errors import ConfigError, PackError, SetupError
from edgeclip_export.config import BundleConfig
from edgeclip_export.encoder import load_encoder
from support.tiny_packs import TinyEncoder, write_encoder


@pytest.fixture
def manifest(pack_folder: Path) -> PackManifest:
    return read_pack_manifest(pack_folder)


def _config(backbone: Path | str | None, pretrained: Path | str | None) -> BundleConfig:
    name, weights = (None if item is None else str(item) for item in (backbone, pretrained))
    return BundleConfig(Path("pack"), Path("out"), name, weights)


def test_an_encoder_named_by_its_files_is_loaded(
    manifest: PackManifest, encoder: TinyEncoder
) -> None:
    backbone = load_encoder(manifest, _config(encoder.config, encoder.weights))
    assert backbone.base.weights_sha256 == manifest.base.weights_sha256


def test_a_renamed_checkpoint_is_the_same_encoder(
    manifest: PackManifest, encoder: TinyEncoder, tmp_path: Path
) -> None:
    copy = tmp_path / "copied.safetensors"
    copy.write_bytes(encoder.weights.read_bytes())
    assert load_encoder(manifest, _config(encoder.config, copy)).base.pretrained == copy.name


def test_an_encoder_known_only_to_the_trainers_machine_must_be_named(
    manifest: PackManifest,
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_encoder(manifest, _config(None, None))
    assert "the pack's encoder tiny-vit with weights tiny-vit.safetensors" in str(caught.value)
    assert "name it with --backbone NAME|FILE.json --pretrained TAG|FILE" in str(caught.value)


def test_a_wrong_name_is_reported_as_the_user_gave_it(manifest: PackManifest) -> None:
    with pytest.raises(ConfigError, match="--backbone ViT-B-23 is not a model of open_clip"):
        load_encoder(manifest, _config("ViT-B-23", None))


def test_a_checkpoint_that_is_none_is_refused(
    manifest: PackManifest, encoder: TinyEncoder, tmp_path: Path
) -> None:
    garbage = tmp_path / "weights.safetensors"
    garbage.write_bytes(b"garbage" * 100)
    with pytest.raises(SetupError, match=r"weights\.safetensors is no checkpoint"):
        load_encoder(manifest, _config(encoder.config, garbage))


def test_other_weights_are_refused_with_both_hashes(manifest: PackManifest, tmp_path: Path) -> None:
    other = write_encoder(tmp_path, seed=9)
    with pytest.raises(PackError, match=r"its weights_sha256 is [0-9a-f]{64}, that of tiny-vit"):
        load_encoder(manifest, _config(other.config, other.weights))


def test_the_same_weights_with_another_activation_are_refused(
    manifest: PackManifest, tmp_path: Path
) -> None:
    other = write_encoder(tmp_path, quick_gelu=True)
    with pytest.raises(PackError, match="its activation is gelu, that of tiny-vit"):
        load_encoder(manifest, _config(other.config, other.weights))


def test_another_normalisation_than_the_encoders_is_refused(
    manifest: PackManifest, encoder: TinyEncoder
) -> None:
    preprocess = manifest.preprocess.model_copy(update={"mean": (0.5, 0.5, 0.5)})
    altered = manifest.model_copy(update={"preprocess": preprocess})
    with pytest.raises(PackError, match="preprocessing has another mean"):
        load_encoder(altered, _config(encoder.config, encoder.weights))
