from __future__ import annotations

import dataclasses
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import ConfigError, PackError
from edgeclip.evaluating import evaluate_pack
from edgeclip.evaluation_request import EvaluationRequest
from edgeclip.labels.reading import ReadingOptions
from edgeclip.packs import check_golden, golden_outputs, load_pack, pack_files, write_pack
from edgeclip.progress import Bars
from edgeclip.trainer import TrainResult
from support.tiny_packs import write_encoder

CREATED_AT = datetime(2026, 6, 1, tzinfo=timezone.utc)


@pytest.fixture
def pack(trained: tuple[Path, TrainResult], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(trained[0], tmp_path / "pack"))


def _replace(pack: Path, name: str, data: bytes, **manifest: Any) -> None:
    """Put other content into a pack, with the hash that belongs to it."""
    (pack / name).write_bytes(data)
    path = pack / "pack.json"
    content = json.loads(path.read_text())
    content["files"][name] = sha256_file(pack / name)
    path.write_text(json.dumps(content | manifest))


def test_a_written_pack_is_read_bit_for_bit(
    trained: tuple[Path, TrainResult], backbone: Backbone
) -> None:
    folder, result = trained
    pack = load_pack(folder)
    assert pack.manifest == result.manifest
    again = pack_files(pack.tensors, golden_outputs(pack.golden.images, backbone, pack.tensors))
    assert again["adapter.safetensors"] == (folder / "adapter.safetensors").read_bytes()
    assert again["golden.npz"] == (folder / "golden.npz").read_bytes()


def test_golden_outputs_are_computed_again(pack: Path, backbone: Backbone) -> None:
    loaded = load_pack(pack)
    assert check_golden(loaded, backbone) < 1e-5
    assert len(loaded.golden.images) == 16
    for value, image in zip((0, 255), loaded.golden.images, strict=False):
        assert (image == value).all()


def test_golden_outputs_that_are_wrong_are_refused(pack: Path, backbone: Backbone) -> None:
    loaded = load_pack(pack)
    loaded.golden.logits[0, 0] += 0.1
    with pytest.raises(PackError, match=r"golden logits differ by 0\.1"):
        check_golden(loaded, backbone)


def test_another_encoder_is_refused(pack: Path, tmp_path: Path) -> None:
    other = write_encoder(tmp_path / "other", seed=9).load()
    with pytest.raises(PackError, match="name that backbone"):
        check_golden(load_pack(pack), other)


def test_another_preprocessing_is_refused(pack: Path, backbone: Backbone) -> None:
    spec = backbone.preprocess.model_copy(update={"margin": 0.5})
    with pytest.raises(PackError, match="preprocessing is not this backbone's"):
        check_golden(load_pack(pack), dataclasses.replace(backbone, preprocess=spec))


def test_a_pack_of_a_newer_format_is_refused(pack: Path) -> None:
    path = pack / "pack.json"
    path.write_text(path.read_text().replace("edgeclip.pack/1", "edgeclip.pack/9"))
    with pytest.raises(PackError, match="schema"):
        load_pack(pack)


def test_invariant_22_edited_prompts_are_refused_by_whatever_reads_a_pack(
    pack: Path, run_training: Callable[..., TrainResult], table: Path, tmp_path: Path
) -> None:
    path = pack / "pack.json"
    path.write_text(path.read_text().replace("an infrared night photo of a zebra", "stripes"))
    said = "its prompts or class names are not those that it was trained with"
    with pytest.raises(PackError, match=said):
        load_pack(pack)
    request = EvaluationRequest(pack=pack, reading=ReadingOptions(data=table))
    with pytest.raises(PackError, match=said):
        evaluate_pack(request, at=CREATED_AT, bars=Bars(quiet=True))
    with pytest.raises(PackError, match=said):
        run_training(tmp_path / "second", on=pack, method="head")


def test_one_changed_byte_is_refused(pack: Path) -> None:
    path = pack / "adapter.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(PackError, match="altered or cut short"):
        load_pack(pack)


def _surplus(tensors: dict[str, Any]) -> None:
    tensors["secret"] = np.zeros(3, np.float32)


def _missing(tensors: dict[str, Any]) -> None:
    del tensors["class_weights"]


def _reshaped(tensors: dict[str, Any]) -> None:
    tensors["class_bias"] = np.zeros(99, np.float32)


def _not_a_number(tensors: dict[str, Any]) -> None:
    tensors["class_bias"][0] = np.nan


def _half(tensors: dict[str, Any]) -> None:
    tensors["class_bias"] = tensors["class_bias"].astype(np.float16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_surplus, "are not those of pack.json"),
        (_missing, "are not those of pack.json"),
        (_reshaped, "are not those of pack.json"),
        (_not_a_number, "class_bias holds values that are not finite"),
        (_half, "class_bias are not float32"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(pack: Path, change: Any, message: str) -> None:
    tensors = load((pack / "adapter.safetensors").read_bytes())
    change(tensors)
    _replace(pack, "adapter.safetensors", save(tensors))
    with pytest.raises(PackError, match=message):
        load_pack(pack)


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xff" * 64], ids=str)
def test_a_tensor_file_that_is_none_is_refused(pack: Path, data: bytes) -> None:
    _replace(pack, "adapter.safetensors", data)
    with pytest.raises(PackError, match="holds no readable tensors"):
        load_pack(pack)


def test_a_surplus_slot_that_the_manifest_names_is_refused(pack: Path) -> None:
    tensors = load((pack / "adapter.safetensors").read_bytes())
    _surplus(tensors)
    slots = {name: list(tensor.shape) for name, tensor in tensors.items()}
    _replace(pack, "adapter.safetensors", save(tensors), slots=slots)
    with pytest.raises(PackError, match="tensors that no slot takes: secret"):
        load_pack(pack)


def _npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(501_000_000))
    return out.getvalue()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "holds no golden outputs"),
        (lambda: b"PK garbage", "holds no golden outputs"),
        (lambda: _npz(images=np.zeros(3)), "holds no golden outputs"),
        (lambda: _npz(images=np.asarray([{}], dtype=object)), "holds no golden outputs"),
        (_bomb, "unpacks to 501 MB"),
    ],
    ids=["empty", "garbage", "incomplete", "objects", "bomb"],
)
def test_a_golden_file_that_is_none_is_refused(pack: Path, make: Any, message: str) -> None:
    _replace(pack, "golden.npz", make())
    with pytest.raises(PackError, match=message):
        load_pack(pack)


def test_golden_arrays_of_other_shapes_are_refused(pack: Path) -> None:
    with np.load(pack / "golden.npz") as archive:
        arrays = dict(archive)
    arrays["logits"] = arrays["logits"][:, :1]
    _replace(pack, "golden.npz", _npz(**arrays))
    with pytest.raises(PackError, match="logits is"):
        load_pack(pack)


def test_a_folder_that_is_not_empty_is_kept(
    trained: tuple[Path, TrainResult], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    loaded = load_pack(trained[0])
    files = pack_files(loaded.tensors, loaded.golden)
    with pytest.raises(ConfigError, match="add --overwrite"):
        write_pack(tmp_path, loaded.manifest, files, report={})
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_tensors_that_lie_transposed_in_memory_are_stored_as_they_read(
    trained: tuple[Path, TrainResult],
) -> None:
    loaded = load_pack(trained[0])
    turned = {name: np.asfortranarray(tensor) for name, tensor in loaded.tensors.items()}
    assert pack_files(turned, loaded.golden) == pack_files(loaded.tensors, loaded.golden)


@pytest.mark.parametrize(
    "method",
    ["gda", "tip", "proker", "blend", "linear", "proj", "taskres", "lpplus", "block", "pooling"],
)
def test_invariant_31_a_pack_of_every_kind_gives_its_golden_outputs_again(
    method: str, run_training: Callable[..., TrainResult], backbone: Backbone, tmp_path: Path
) -> None:
    recipe = Recipe(steps=30, views=1, batch=64, learning_rate=0.0015, seed=3)
    result = run_training(tmp_path / "pack", method=method, recipe=recipe, folds=1)
    assert result.manifest.method in (method, "zero-shot")
    assert check_golden(load_pack(tmp_path / "pack"), backbone) < 1e-4
