"""Sets with a learned gate, on the trained pack and copies of it that are for other images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from edgeclip.archive.answering import Asked, Views
from edgeclip.archive.pack_answers import open_pack
from edgeclip.cli import app
from edgeclip.combining import combine, remove
from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE
from edgeclip.contract.hashing import sha256_bytes, sha256_file
from edgeclip.contract.postprocess import class_probabilities, softmax
from edgeclip.contract.routing import pack_logits, top_k_gate
from edgeclip.errors import ConfigError, PackError
from edgeclip.routed_packs import load_routed
from edgeclip.set_files import SET_FILE
from support.tiny_packs import EMBED_DIM, TinyEncoder

Three = tuple[Path, Path, Path]


@pytest.fixture
def three(pack: Path, tmp_path: Path) -> Three:
    """The trained pack, one for the opposite images, and one for images between the two."""
    keys = load_file(pack / "router.safetensors")["router_keys"]
    shifted = np.roll(keys, 3, axis=1)
    return (
        pack,
        _copy(pack, tmp_path / "other", -keys, temperature=3.0),
        _copy(pack, tmp_path / "third", shifted, temperature=0.5),
    )


def _copy(pack: Path, folder: Path, keys: NDArray[np.float32], temperature: float) -> Path:
    shutil.copytree(pack, folder)
    row = load_file(folder / "router.safetensors")
    del row["router_samples"]  # as older software left it
    wide = {"router_keys": keys.copy(), "router_threshold": np.array([2.0], np.float32)}
    save_file(row | wide, folder / "router.safetensors")
    document = json.loads((folder / "pack.json").read_text())
    hashes = {name: sha256_file(folder / name) for name in document["files"]}
    changes = {"task": folder.name, "temperature": temperature, "files": hashes}
    (folder / "pack.json").write_text(json.dumps(document | changes))
    return folder


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): sha256_bytes(p.read_bytes()) for p in files}


def _base(count: int = 30) -> NDArray[np.float32]:
    rows = np.random.default_rng(2).normal(size=(count, EMBED_DIM)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["pack", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def _refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["pack", *map(str, arguments)])
    assert isinstance(done.exception, ConfigError)
    return str(done.exception)


def test_learning_a_gate_touches_no_pack_s_files_or_outputs(three: Three, tmp_path: Path) -> None:
    before = [_hashes(pack) for pack in three]
    alone = [load_routed(pack).answer(_base(), [{}] * 30).logits for pack in three]
    said = _run("combine", *three, "--gate", "learned", "--out", tmp_path / "set")
    assert "learned a gate between leopard, other, third: 80 of the 80 images" in said
    rows = json.loads(_run("show", tmp_path / "set", "--json"))["gate"]["packs"]
    assert [(row["samples"], row["taught_by"]) for row in rows] == [
        (64, "images"), (8, "prototypes"), (8, "prototypes"),
    ]  # fmt: skip
    assert [_hashes(pack) for pack in three] == before
    inside = tmp_path / "set/packs"
    assert [_hashes(inside / name) for name in ("leopard", "other", "third")] == before
    after = [load_routed(pack).answer(_base(), [{}] * 30).logits for pack in three]
    for one, other in zip(alone, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_image_is_answered_by_the_pack_that_the_gate_names(
    three: Three, tmp_path: Path
) -> None:
    combine(three, tmp_path / "set", {}, k=1)
    routed = load_routed(tmp_path / "set")
    assert routed.gate is not None
    found = routed.answer(_base(), [{}] * 30)
    scores = routed.gate.scores(_base())
    near = np.stack([1 - row.likeness(_base()) <= row.threshold for row in routed.rows], axis=1)
    expected = np.where(near, scores, -np.inf).argmax(axis=1)
    assert found.chosen == [["leopard", "other", "third"][p] for p in expected]
    assert len(set(found.chosen)) > 1


def test_two_packs_mix_their_calibrated_probabilities_by_the_gate(
    three: Three, tmp_path: Path
) -> None:
    combine(three, tmp_path / "set", {}, k=2)
    routed, base = load_routed(tmp_path / "set"), _base()
    assert routed.gate is not None
    found = routed.answer(base, [{}] * 30)
    near = np.stack([1 - row.likeness(base) <= row.threshold for row in routed.rows], axis=1)
    scores = np.where(near, routed.gate.scores(base), -np.inf)
    gate = top_k_gate(scores, 2)
    columns = sum(
        gate[:, [p]] * softmax(pack_logits(pack.tensors, base), pack.manifest.temperature)
        for p, pack in enumerate(routed.packs.values())
    )
    manifest = routed.manifest
    expected = class_probabilities(
        np.asarray(columns, np.float32), manifest.column_class, len(manifest.class_names)
    )
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert all(sum(own.values()) == pytest.approx(1) for own in found.shares)
    assert {len(own) for own in found.shares} == {2}


def test_predict_answers_by_the_gate_as_well(
    three: Three, encoder: TinyEncoder, tmp_path: Path
) -> None:
    combine(three, tmp_path / "set", {}, k=2)
    asked = Asked(tmp_path / "set", backbone=str(encoder.config), pretrained=str(encoder.weights))
    answerer = open_pack(asked)
    views = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    _, f = encoder.load().embed_images(views)
    base = f.numpy() / np.linalg.norm(f.numpy(), axis=1, keepdims=True)
    expected = load_routed(tmp_path / "set").answer(base, [{}] * 4)
    for answer, row in zip(
        answerer.answer(Views(views, [{}] * 4)), expected.probabilities, strict=True
    ):
        np.testing.assert_allclose(answer.probabilities, row, atol=1e-5)


def test_asking_shows_what_each_pack_weighs(
    three: Three, encoder: TinyEncoder, table: Path, tmp_path: Path
) -> None:
    args = ("combine", *three[1:], "--gate", "learned", "--top-k", 2, "--out", tmp_path / "set")
    assert "2 a frame answer" in _run(*args)
    image = next(table.parent.rglob("leopard*.jpg"))
    given = ("--backbone", encoder.config, "--pretrained", encoder.weights)
    told = json.loads(_run("ask", tmp_path / "set", image, *given, "--json"))[0]
    assert set(told["shares"]) == {"other", "third"}
    assert told["pack"] == max(told["shares"], key=told["shares"].__getitem__)
    facts = json.loads(_run("show", tmp_path / "set", "--json"))
    assert (facts["gate"]["k"], facts["gate"]["schema"]) == (2, "edgeclip.gate/1")
    assert "a learned gate chooses between other, third" in _run("show", tmp_path / "set")


def test_a_set_without_a_gate_says_nothing_of_one(three: Three, tmp_path: Path) -> None:
    combine(three, tmp_path / "set", {})
    assert "gate" not in json.loads((tmp_path / "set" / SET_FILE).read_text())
    assert load_routed(tmp_path / "set").gate is None


def test_a_pack_taken_out_leaves_the_gate_as_it_is(three: Three, tmp_path: Path) -> None:
    combine(three, tmp_path / "set", {}, k=2)
    remove(tmp_path / "set", "other", tmp_path / "two")
    for file in (GATE_FILE, GATE_TENSORS_FILE):
        assert (tmp_path / "two" / file).read_bytes() == (tmp_path / "set" / file).read_bytes()
    found = load_routed(tmp_path / "two").answer(_base(), [{}] * 30)
    assert "other" not in found.chosen
    assert "third" in found.chosen


def test_a_set_put_together_anew_leaves_a_gate_behind_and_says_so(
    three: Three, tmp_path: Path
) -> None:
    combine(three[:2], tmp_path / "set", {}, k=1)
    said = _run("combine", tmp_path / "set", three[2], "--out", tmp_path / "more")
    assert f"the learned gate of {tmp_path / 'set'} stays behind: --gate learned" in said
    assert load_routed(tmp_path / "more").gate is None


@pytest.mark.parametrize("file", [GATE_FILE, GATE_TENSORS_FILE])
@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "altered"])
def test_a_gate_that_was_altered_or_is_gone_is_refused(
    three: Three, tmp_path: Path, file: str, is_gone: bool
) -> None:
    combine(three, tmp_path / "set", {}, k=1)
    path = tmp_path / "set" / file
    content = path.read_bytes()
    path.unlink()
    if not is_gone:
        path.write_bytes(content + b" ")
    with pytest.raises(PackError, match=f"{file} (is missing|was altered)"):
        load_routed(tmp_path / "set")


def test_a_gate_of_other_packs_is_refused(three: Three, tmp_path: Path) -> None:
    combine(three[:2], tmp_path / "set", {}, k=1)
    combine(three[1:], tmp_path / "others", {}, k=1)
    for file in (GATE_FILE, GATE_TENSORS_FILE):
        shutil.copyfile(tmp_path / "others" / file, tmp_path / "set" / file)
    content = json.loads((tmp_path / "set" / SET_FILE).read_text())
    content["gate"] = sha256_file(tmp_path / "set" / GATE_FILE)
    (tmp_path / "set" / SET_FILE).write_text(json.dumps(content))
    with pytest.raises(PackError, match="the learned gate has no row for this leopard"):
        load_routed(tmp_path / "set")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--top-k", 2), "--top-k 2 is for --gate learned: by prototypes one pack answers"),
        (("--gate", "other"), "--gate is 'other': give prototypes or learned"),
        (("--gate", "learned", "--top-k", 4), "--top-k 4: the gate chooses between 3 packs"),
        (
            ("--gate", "learned", "--static", "other:a=b", "--static", "third:a=c"),
            "here that is leopard: name two or more",
        ),
    ],
)
def test_options_of_a_gate_that_cannot_be_meant_are_refused(
    three: Three, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    assert message in _refused("combine", *three, *options, "--out", tmp_path / "set")
    assert not (tmp_path / "set").exists()
