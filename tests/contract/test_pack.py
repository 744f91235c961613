from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.pack import PackManifest, read_pack_manifest
from edgeclip.contract.prompt_columns import columns_sha256, split_sentences
from edgeclip.errors import PackError
from support.samples import pack_manifest


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack whose files are there and hashed, though they hold no tensors."""
    content = {"adapter.safetensors": b"tensors", "golden.npz": b"golden"}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    hashes = {name: sha256_bytes(data) for name, data in content.items()}
    manifest = pack_manifest().model_copy(update={"files": hashes})
    (tmp_path / "pack.json").write_text(manifest.to_json())
    return tmp_path


def _change(pack: Path, **fields: Any) -> None:
    path = pack / "pack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_manifest_survives_json() -> None:
    manifest = pack_manifest()
    assert PackManifest.from_json(manifest.to_json(), "pack.json") == manifest


def test_a_whole_pack_is_read(pack: Path) -> None:
    manifest = read_pack_manifest(pack)
    assert manifest.class_names == ["leopard", "blank"]
    assert manifest.targets == ["leopard"]


def test_a_folder_without_a_pack_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="make a pack with `edgeclip train --out`"):
        read_pack_manifest(tmp_path)


def test_an_altered_file_is_named(pack: Path) -> None:
    (pack / "golden.npz").write_bytes(b"other")
    with pytest.raises(PackError, match=r"golden.npz was altered or cut short"):
        read_pack_manifest(pack)


def test_a_missing_file_is_named(pack: Path) -> None:
    (pack / "golden.npz").unlink()
    with pytest.raises(PackError, match=r"golden.npz is missing or unreadable"):
        read_pack_manifest(pack)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": "edgeclip.pack/2"}, "schema"),
        ({"surprise": 1}, "surprise is not known"),
        ({"classes": []}, "classes"),
        ({"column_class": [0, 1, 7]}, "column_class must name every class"),
        ({"column_class": [1, 1, 0]}, "column_class must be in the order of the classes"),
        ({"thresholds": {"tiger": {"on": 0.5, "off": 0.4, "peak": 0.6}}}, "do not exist: tiger"),
        ({"thresholds": {"leopard": {"on": 0.5, "off": 0.6, "peak": 0.7}}}, "off <= on <= peak"),
        ({"task": "../../etc"}, "task"),
        ({"files": {"../../etc/passwd": "a" * 64}}, "files"),
        ({"files": {"golden.npz": "a" * 64}}, "lacks adapter.safetensors"),
        ({"temperature": 0}, "temperature"),
    ],
    ids=[
        "newer format", "unknown key", "no classes", "surplus column", "columns in another order",
        "threshold of no class",
        "thresholds out of order", "hostile task", "hostile file name", "no tensors", "no heat",
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_right_is_refused(
    pack: Path, fields: dict[str, Any], message: str
) -> None:
    _change(pack, **fields)
    with pytest.raises(PackError, match=message):
        read_pack_manifest(pack)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"], ids=str)
def test_a_manifest_that_is_no_json_object_is_refused(pack: Path, content: bytes) -> None:
    (pack / "pack.json").write_bytes(content)
    with pytest.raises(PackError):
        read_pack_manifest(pack)


@pytest.mark.parametrize(
    "change",
    [
        {"classes.0.prompts": ["a lion"]},
        {"classes.1.prompts": ["leaves", "grass"]},
        {"classes.0.name": "lion", "thresholds": {"lion": {"on": 0.6, "off": 0.4, "peak": 0.7}}},
    ],
)
def test_invariant_22_prompts_that_were_edited_are_refused_in_one_line(
    change: dict[str, Any], pack: Path
) -> None:
    path = pack / "pack.json"
    content = json.loads(path.read_text())
    for keys, value in change.items():
        *outer, last = keys.split(".")
        place: Any = content
        for key in outer:
            place = place[int(key) if key.isdigit() else key]
        place[last] = value
    path.write_text(json.dumps(content))
    with pytest.raises(PackError) as refused:
        read_pack_manifest(pack)
    assert "pack.json: its prompts or class names are not those" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_columns_that_do_not_add_up_to_the_prompts_are_refused(pack: Path) -> None:
    content = json.loads((pack / "pack.json").read_text())
    content["classes"][1]["columns"] = [2]
    _change(pack, classes=content["classes"])
    with pytest.raises(PackError, match="columns of blank do not add up to its prompts"):
        read_pack_manifest(pack)


def test_a_pack_that_does_not_say_its_columns_is_read_as_before(pack: Path) -> None:
    content = json.loads((pack / "pack.json").read_text())
    content["classes"][1]["prompts"].append("branches")  # three sentences for two columns
    _change(pack, classes=content["classes"])
    assert read_pack_manifest(pack).prompt_columns is None


def test_sentences_are_told_apart_by_the_columns_that_they_make() -> None:
    assert split_sentences(["a", "b", "c"], [2, 1], 2) == [["a", "b"], ["c"]]
    assert split_sentences(["a", "b", "c"], [], 1) == [["a", "b", "c"]]
    assert split_sentences(["a", "b", "c"], [], 3) == [["a"], ["b"], ["c"]]
    assert split_sentences(["a", "b", "c"], [], 2) is None
    assert columns_sha256({"x": [["a", "b"], ["c"]]}) != columns_sha256({"x": [["a"], ["b", "c"]]})
