from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.pack import TENSORS_FILE
from edgeclip.contract.slots import HEAD_SLOTS
from edgeclip.errors import (
    BundleDamagedError,
    BundleMismatchError,
    BundleMissingError,
    ConfigError,
)
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import load_pack
from support.tiny_bundle import EMBED_DIM, GRAPH_FILE


@pytest.fixture
def own_bundle(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the small bundle that may be spoilt."""
    return Path(shutil.copytree(bundle, tmp_path / "bundle"))


def test_a_pack_has_a_tensor_for_every_slot(bundle: Path) -> None:
    pack = load_pack(InferenceSettings(bundle=bundle))
    assert pack.name == "leopard@1.0.0"
    assert list(pack.slots) == list(HEAD_SLOTS)
    assert pack.slots["class_weights"].shape == (EMBED_DIM, 2)
    assert not pack.slots["va_ratio"].any()


def test_the_task_chooses_the_pack(bundle: Path) -> None:
    pack = load_pack(InferenceSettings(bundle=bundle, task="trio"))
    assert pack.manifest.class_names == ["fox", "blank", "grass"]


def test_an_unknown_task_names_the_known_ones(bundle: Path) -> None:
    with pytest.raises(BundleMismatchError, match="it has leopard, trio"):
        load_pack(InferenceSettings(bundle=bundle, task="wolf"))


def test_without_a_bundle_it_says_where_to_name_one() -> None:
    with pytest.raises(ConfigError, match=r"\[inference\]\.bundle is missing"):
        load_pack(InferenceSettings())


def test_a_folder_without_a_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="edgeclip-export bundle"):
        load_pack(InferenceSettings(bundle=tmp_path))


@pytest.mark.parametrize("name", [GRAPH_FILE, f"packs/leopard/1.0.0/{TENSORS_FILE}"])
def test_an_altered_file_is_found(own_bundle: Path, name: str) -> None:
    data = bytearray((own_bundle / name).read_bytes())
    data[-1] ^= 1
    (own_bundle / name).write_bytes(bytes(data))
    with pytest.raises(BundleDamagedError, match="was altered or cut short"):
        load_pack(InferenceSettings(bundle=own_bundle))


def test_a_missing_file_is_named(own_bundle: Path) -> None:
    (own_bundle / GRAPH_FILE).unlink()
    with pytest.raises(BundleDamagedError, match=r"model\.cpu\.onnx is missing"):
        load_pack(InferenceSettings(bundle=own_bundle))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "edgeclip.pack/1"}', "\x00"])
def test_a_manifest_that_is_none_is_named(own_bundle: Path, text: str) -> None:
    (own_bundle / MANIFEST_FILE).write_text(text)
    with pytest.raises(BundleDamagedError, match=r"manifest\.json"):
        load_pack(InferenceSettings(bundle=own_bundle))


def test_thresholds_come_from_the_pack(bundle: Path) -> None:
    thresholds = load_pack(InferenceSettings(bundle=bundle)).thresholds
    assert thresholds["leopard"].model_dump() == {"on": 0.6, "off": 0.4, "peak": 0.7}


def test_the_configuration_goes_over_them_and_that_is_logged(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = InferenceSettings.model_validate(
        {"bundle": bundle, "thresholds": {"leopard": {"on": 0.65}}}
    )
    assert load_pack(settings).thresholds["leopard"].on == 0.65
    assert "thresholds of leopard" in caplog.text


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        ({"wolf": {"on": 0.5}}, "decides on leopard, not on wolf"),
        ({"blank": {"on": 0.5}}, "decides on leopard, not on blank"),
        ({"leopard": {"on": 0.9}}, "does not hold"),
        ({"leopard": {"off": 0.8}}, "does not hold"),
    ],
)
def test_thresholds_that_cannot_be_applied_are_refused(
    bundle: Path, thresholds: object, words: str
) -> None:
    settings = InferenceSettings.model_validate({"bundle": bundle, "thresholds": thresholds})
    with pytest.raises(ConfigError, match=words):
        load_pack(settings)


def test_slots_are_contiguous_so_that_they_can_be_bound(bundle: Path) -> None:
    slots = load_pack(InferenceSettings(bundle=bundle)).slots
    assert all(np.ascontiguousarray(slot) is slot for slot in slots.values())
