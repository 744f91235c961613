from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from edgeclip.cli import app
from edgeclip.clip import Backbone
from edgeclip.combining import combine, remove
from edgeclip.contract.hashing import sha256_bytes, sha256_file
from edgeclip.contract.pack import PackClass
from edgeclip.contract.prompt_columns import columns_sha256
from edgeclip.contract.routing import RouterRow, gate_scores, pack_logits, top_k_gate
from edgeclip.errors import ConfigError, DataError, PackError
from edgeclip.packs import load_pack
from edgeclip.routed_images import ask_images
from edgeclip.routed_packs import load_routed
from edgeclip.trainer import TrainResult
from support.tiny_packs import EMBED_DIM, TinyEncoder

Trained = tuple[Path, TrainResult]


@pytest.fixture
def other(pack: Path, tmp_path: Path) -> Path:
    """The trained pack under another name, for the opposite of its images."""
    from safetensors.numpy import load_file, save_file

    folder = Path(shutil.copytree(pack, tmp_path / "other"))
    row = load_file(folder / "router.safetensors")
    save_file(row | {"router_keys": -row["router_keys"]}, folder / "router.safetensors")
    _edit(folder, task="other", temperature=3.0)
    return folder


def _edit(folder: Path, **fields: object) -> None:
    document = json.loads((folder / "pack.json").read_text())
    hashes = {name: sha256_file(folder / name) for name in document["files"]}
    (folder / "pack.json").write_text(json.dumps(document | fields | {"files": hashes}))


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): sha256_bytes(p.read_bytes()) for p in files}


def _base(*keys: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = np.stack(keys).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["pack", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_invariant_28_packs_stay_bit_for_bit_when_others_are_put_beside_them_or_taken_out(
    pack: Path, other: Path, tmp_path: Path
) -> None:
    both, one = tmp_path / "both", tmp_path / "one"
    said = _run("combine", pack, other, "--out", both)
    assert "next: edgeclip pack ask" in said
    assert "leopard 1.0.0 alerts on leopard" in said
    assert _hashes(both / "packs/leopard") == _hashes(pack)
    assert _hashes(both / "packs/other") == _hashes(other)
    _run("remove", both, "--part", "leopard", "--out", one)
    assert _hashes(one / "packs/other") == _hashes(other)
    assert list(load_routed(one).packs) == ["other"]
    again = tmp_path / "again"
    _run("combine", one, pack, "--out", again)  # a set and a pack
    assert list(load_routed(again).packs) == ["other", "leopard"]


def test_invariant_27_one_pack_answers_for_an_image_and_far_ones_get_the_prompts_bit_for_bit(
    pack: Path, other: Path, tmp_path: Path
) -> None:
    combine([pack, other], tmp_path / "both", {})
    routed = load_routed(tmp_path / "both")
    near = routed.rows[0].keys[0]
    far = np.zeros(EMBED_DIM, np.float32)
    far[np.argmin(np.abs(near))] = 1
    base = _base(near, -near, far - near * (far @ near))
    found = routed.answer(base, [{}] * 3)
    assert found.chosen == ["leopard", "other", None]
    own = load_pack(pack)
    for row, tensors in enumerate((own.tensors, load_pack(other).tensors, routed.zero_shot)):
        expected = pack_logits(tensors, base[[row]])
        np.testing.assert_array_equal(found.logits[[row]], expected)
    gate = top_k_gate(gate_scores(routed.rows, base))
    np.testing.assert_array_equal((gate > 0).sum(axis=1), 1)
    np.testing.assert_allclose(gate.sum(axis=1), 1)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)


def test_invariant_27_a_set_of_one_pack_is_that_pack(pack: Path, tmp_path: Path) -> None:
    combine([pack], tmp_path / "one", {"leopard": {"light": "infrared"}})
    routed, own = load_routed(tmp_path / "one"), load_pack(pack)
    base = own.golden.base_embedding
    found = routed.answer(base, [{"light": "infrared"}] * len(base))
    assert set(found.chosen) == {"leopard"}
    np.testing.assert_allclose(found.logits, own.golden.logits, atol=1e-4)
    np.testing.assert_array_equal(found.logits, pack_logits(own.tensors, base))
    assert set(routed.answer(base, [{"light": "day"}] * len(base)).chosen) == {None}


def test_a_pack_s_row_is_of_its_own_images_and_claims_most_of_them(
    trained: Trained, backbone: Backbone
) -> None:
    pack = load_pack(trained[0])
    row: RouterRow = load_routed(trained[0]).rows[0]
    frames = pack.golden.base_embedding[6:]  # behind the synthetic ones: of the training part
    assert row.keys.shape == (8, backbone.base.embed_dim)
    assert (1 - row.likeness(frames) <= row.threshold).mean() >= 0.8


def test_the_answer_names_the_pack_and_the_probabilities(
    pack: Path, other: Path, encoder: TinyEncoder, table: Path, tmp_path: Path
) -> None:
    combine([pack, other], tmp_path / "both", {"other": {"light": "infrared"}})
    image = next(table.parent.rglob("leopard*.jpg"))
    given = ("--backbone", encoder.config, "--pretrained", encoder.weights, "--json")
    day, night = (
        json.loads(_run("ask", tmp_path / "both", image, *given, "--fact", f"light={light}"))[0]
        for light in ("day", "infrared")
    )
    assert day["pack"] in ("leopard", None)
    assert night["pack"] == "other"
    assert set(day["probabilities"]) == {"leopard", "zebra", "blank"}
    assert sum(day["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_a_broken_image_does_not_keep_the_others_from_their_answers(
    pack: Path, encoder: TinyEncoder, table: Path, tmp_path: Path
) -> None:
    image, broken = next(table.parent.rglob("leopard*.jpg")), tmp_path / "broken.jpg"
    broken.write_bytes(b"cut")
    given = ("--backbone", encoder.config, "--pretrained", encoder.weights, "--json")
    done = CliRunner().invoke(app, ["pack", "ask", *map(str, (pack, broken, image, *given))])
    answered, refused = json.loads(done.stdout)
    assert (answered["image"], refused["image"]) == (str(image), str(broken))
    assert sum(answered["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert isinstance(done.exception, DataError)
    assert str(done.exception).endswith("; 1 of 2 images have no answer")
    assert str(done.exception) == f"{broken}: {refused['error']}; 1 of 2 images have no answer"


def test_a_set_tells_which_packs_it_holds_and_a_pack_what_it_is(
    pack: Path, other: Path, tmp_path: Path
) -> None:
    combine([pack, other], tmp_path / "both", {"other": {"light": "infrared"}})
    found = _run("show", tmp_path / "both")
    assert "leopard 1.0.0" in found
    assert "light=infrared" in found
    told = json.loads(_run("show", pack, "--json"))["packs"]
    assert [(each["name"], each["version"]) for each in told] == [("leopard", "1.0.0")]
    assert told[0]["classes"] == load_pack(pack).manifest.class_names


def test_packs_of_another_encoder_or_other_classes_are_refused(
    pack: Path, other: Path, tmp_path: Path
) -> None:
    document = json.loads((other / "pack.json").read_text())
    _edit(other, base=document["base"] | {"weights_sha256": "0" * 64})
    with pytest.raises(PackError, match=r"other \(1\.0\.0\) was trained on another encoder"):
        combine([pack, other], tmp_path / "both", {})
    _edit(other, base=document["base"], prompts_sha256="0" * 64)
    with pytest.raises(PackError, match="its prompts or class names are not those"):
        combine([pack, other], tmp_path / "both", {})
    assert not (tmp_path / "both").exists()


def test_packs_with_other_prompts_are_refused(pack: Path, other: Path, tmp_path: Path) -> None:
    classes = json.loads((other / "pack.json").read_text())["classes"]
    classes[0]["prompts"][0] = "a photo of something else."
    edited = load_pack(other).manifest.model_copy(
        update={"classes": [PackClass.model_validate(own) for own in classes]}
    )
    assert edited.prompt_columns is not None
    _edit(other, classes=classes, prompts_sha256=columns_sha256(edited.prompt_columns))
    with pytest.raises(
        PackError, match=r"other \(1\.0\.0\) knows leopard, .*leopard \(1\.0\.0\) knows"
    ):
        combine([pack, other], tmp_path / "both", {})


def test_a_name_twice_a_static_key_of_no_pack_and_a_full_folder_are_refused(
    pack: Path, other: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="two packs are called leopard: give one another name"):
        combine([pack, pack], tmp_path / "both", {})
    with pytest.raises(ConfigError, match=r"Leopard 2=.*: a pack's name is made of a-z, 0-9 and -"):
        combine([pack, ("Leopard 2", pack)], tmp_path / "both", {})
    with pytest.raises(ConfigError, match="--static zebra: there is no such pack; leopard are"):
        combine([pack], tmp_path / "both", {"zebra": {"light": "day"}})
    with pytest.raises(ConfigError, match="--static other:light=night: light is day or infrared"):
        combine([pack, ("other", pack)], tmp_path / "both", {"other": {"light": "night"}})
    with pytest.raises(ConfigError, match="is not empty"):
        combine([other], pack, {})


def test_a_set_that_is_there_is_replaced_by_overwrite_and_nothing_else_is(
    pack: Path, other: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    _run("combine", pack, "--static", "leopard:light=day", "--out", out)
    refused = ["pack", "combine", str(pack), str(other), "--out", str(out)]
    assert "add --overwrite" in str(CliRunner().invoke(app, refused).exception)
    _run("combine", out, other, "--out", out, "--overwrite")  # the set itself and a pack
    assert list(load_routed(out).packs) == ["leopard", "other"]
    _run("remove", out, "--part", "leopard", "--out", out, "--overwrite")
    assert list(load_routed(out).packs) == ["other"]
    assert _hashes(out / "packs/other") == _hashes(other)
    with pytest.raises(ConfigError, match=r"holds no router\.json: --overwrite would delete"):
        combine([other], pack, {}, overwrite=True)
    vain = ["pack", "remove", str(tmp_path), "--part", "leopard@1.0.0", "--overwrite"]
    assert "--overwrite is for the folder of --out" in str(CliRunner().invoke(app, vain).exception)


def test_packs_of_one_task_are_told_apart_by_names_that_the_set_gives_them(
    pack: Path, tmp_path: Path
) -> None:
    valley = shutil.copytree(pack, tmp_path / "a=b")  # the sign may stand in a path
    _run("combine", valley, f"ridge={pack}", "--static", "ridge:light=day", "--out", tmp_path / "c")
    assert list(load_routed(tmp_path / "c").packs) == ["leopard", "ridge"]
    assert _hashes(tmp_path / "c/packs/ridge") == _hashes(pack)
    with pytest.raises(ConfigError, match=r"is a set \(leopard, ridge\): name one pack"):
        combine([("all", tmp_path / "c")], tmp_path / "d", {})


def test_packs_that_were_trained_without_other_strips_are_refused(
    pack: Path, other: Path, tmp_path: Path
) -> None:
    _edit(other, strip_top_px=0, strip_bottom_px=40)
    with pytest.raises(
        PackError, match=r"other \(1\.0\.0\) was trained without 0 rows at the top and 40 at"
    ):
        combine([pack, other], tmp_path / "both", {})


def test_invariant_31_a_set_is_asked_only_where_every_pack_gives_its_golden_outputs(
    pack: Path, other: Path, encoder: TinyEncoder, table: Path, tmp_path: Path
) -> None:
    with np.load(other / "golden.npz") as golden:
        arrays = dict(golden)
    np.savez(other / "golden.npz", **arrays | {"logits": arrays["logits"] + 1})
    _edit(other)
    combine([pack, other], tmp_path / "both", {})
    with pytest.raises(PackError, match="golden logits differ by"):
        ask_images(
            tmp_path / "both",
            [next(table.parent.rglob("leopard*.jpg"))],
            {},
            backbone=str(encoder.config),
            pretrained=str(encoder.weights),
        )


def test_what_is_not_in_a_set_or_all_that_is_in_it_cannot_be_taken_out(
    pack: Path, tmp_path: Path
) -> None:
    combine([pack], tmp_path / "one", {})
    with pytest.raises(ConfigError, match="zebra is not in it; it holds leopard"):
        remove(tmp_path / "one", "zebra", tmp_path / "none")
    with pytest.raises(ConfigError, match="leopard is its only pack"):
        remove(tmp_path / "one", "leopard", tmp_path / "none")


def test_a_pack_that_was_altered_in_its_set_is_refused(pack: Path, tmp_path: Path) -> None:
    combine([pack], tmp_path / "one", {})
    _edit(tmp_path / "one/packs/leopard", temperature=9.0)
    with pytest.raises(PackError, match="was altered: combine the packs again"):
        load_routed(tmp_path / "one")


def test_a_pack_that_moves_the_embedding_is_refused(
    pack: Path, other: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    manifest = json.loads((other / "pack.json").read_text())
    delta = np.full((manifest["base"]["width"], EMBED_DIM), 0.1, np.float32)
    tensors = load_file(other / "adapter.safetensors") | {"projection_delta": delta}
    save_file(tensors, other / "adapter.safetensors")
    _edit(other, slots={name: list(tensor.shape) for name, tensor in tensors.items()})
    with pytest.raises(PackError, match=r"other .* reaches before the embedding that packs are"):
        combine([pack, other], tmp_path / "both", {})


def test_a_pack_without_a_row_is_refused(pack: Path, tmp_path: Path) -> None:
    document = json.loads((pack / "pack.json").read_text())
    files = {n: h for n, h in document["files"].items() if n != "router.safetensors"}
    (pack / "pack.json").write_text(json.dumps(document | {"files": files}))
    with pytest.raises(PackError, match="has no router row that says which images it is for"):
        combine([pack], tmp_path / "one", {})
