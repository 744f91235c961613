from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeclip.adapters.stored import compose
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PARTS_FILE
from edgeclip.errors import PackError
from edgeclip.pack_parts import parts_bytes, read_parts
from edgeclip.packs import load_pack
from edgeclip.trainer import TrainResult


@pytest.fixture
def pack(trained: tuple[Path, TrainResult], tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained[0], tmp_path / "pack"))


def test_invariant_30_the_adapters_of_a_pack_add_up_to_its_tensors(pack: Path) -> None:
    loaded = load_pack(pack)
    assert [part.kind for part in loaded.manifest.adapters] == ["visual", "head"]
    start, parts = read_parts(pack, loaded.manifest, loaded.tensors)
    whole = compose(start, parts)
    assert all(np.array_equal(whole[name], loaded.tensors[name]) for name in whole)


def test_an_adapter_is_taken_out_of_a_pack_without_training(pack: Path) -> None:
    loaded = load_pack(pack)
    start, (visual, head) = read_parts(pack, loaded.manifest, loaded.tensors)
    rest = compose(start, [head])
    assert "va_up" not in rest
    assert np.array_equal(rest["class_weights"], loaded.tensors["class_weights"])
    assert np.array_equal(compose(start, [visual])["class_weights"], start["class_weights"])


def test_parts_of_another_training_are_refused(pack: Path) -> None:
    loaded = load_pack(pack)
    start, parts = read_parts(pack, loaded.manifest, loaded.tensors)
    other = {**start, "class_weights": start["class_weights"] + 1}
    (pack / PARTS_FILE).write_bytes(parts_bytes(other, parts))
    with pytest.raises(PackError, match="its adapters do not add up to its tensors"):
        read_parts(pack, loaded.manifest, loaded.tensors)


@pytest.mark.parametrize("content", [b"", b"no tensors"])
def test_a_parts_file_that_is_none_is_refused(pack: Path, content: bytes) -> None:
    loaded = load_pack(pack)
    (pack / PARTS_FILE).write_bytes(content)
    with pytest.raises(PackError, match="holds no readable tensors"):
        read_parts(pack, loaded.manifest, loaded.tensors)


def test_a_pack_without_parts_still_loads_but_cannot_be_taken_apart(pack: Path) -> None:
    content = json.loads((pack / "pack.json").read_text())
    del content["files"][PARTS_FILE], content["adapters"], content["share"]
    (pack / "pack.json").write_text(json.dumps(content))
    loaded = load_pack(pack)
    with pytest.raises(PackError, match="does not say what its adapters are: train it again"):
        read_parts(pack, loaded.manifest, loaded.tensors)


def test_an_altered_parts_file_is_noticed_when_the_pack_is_loaded(pack: Path) -> None:
    before = sha256_file(pack / PARTS_FILE)
    data = bytearray((pack / PARTS_FILE).read_bytes())
    data[-1] ^= 1
    (pack / PARTS_FILE).write_bytes(data)
    assert sha256_file(pack / PARTS_FILE) != before
    with pytest.raises(PackError, match="altered or cut short"):
        load_pack(pack)
