"""A class taught by the encoder of an exported bundle: as torch does it, and without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.adapters.stored import compose
from edgeclip.clip import Backbone
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.preprocess import prepare
from edgeclip.errors import (
    BackendError,
    BundleDamagedError,
    BundleMissingError,
    ConfigError,
    EdgeclipError,
    PackError,
)
from edgeclip.pack_parts import read_parts
from edgeclip.pack_removal import Removal, remove_adapter
from edgeclip.packs import check_golden, load_pack
from edgeclip.teaching.teach import TeachResult
from edgeclip.trainer import TrainResult
from edgeclip.wordless import worded
from edgeclip_export.add_pack import add_pack
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.config import BundleConfig
from support.drawn_images import DrawnSet, draw, write_set
from support.tiny_bundle import TinyPack, write_tiny_bundle
from support.tiny_packs import TinyEncoder

Teacher = Callable[..., TeachResult]
AT = datetime(2026, 7, 1, tzinfo=timezone.utc)
BY_BUNDLE: dict[str, object] = {"on": None, "backbone": None, "pretrained": None}


@pytest.fixture(scope="module")
def bundle(
    encoder: TinyEncoder,
    trained: tuple[Path, TrainResult],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("bundles") / "bundle"
    config = BundleConfig(trained[0], out, str(encoder.config), str(encoder.weights))
    write_bundle(config, lambda _: None)
    return out


@pytest.fixture(scope="module")
def taught(
    bundle: Path, teach_three: Callable[..., tuple[Path, TeachResult]]
) -> tuple[Path, TeachResult]:
    return teach_three(bundle=bundle, **BY_BUNDLE)


def test_a_bundle_teaches_what_torch_teaches_within_its_tolerance(
    taught: tuple[Path, TeachResult],
    teach_three: Callable[..., tuple[Path, TeachResult]],
    backbone: Backbone,
) -> None:
    by_torch = teach_three()
    frames = [
        prepare(draw(label, 5000 + n, background=n % 6), backbone.preprocess)
        for n, label in enumerate(["elephant", "leopard", "zebra", "blank"] * 4)
    ]
    one, other = (
        outputs_of(np.stack(frames), backbone, load_pack(folder).tensors)
        for folder, _ in (taught, by_torch)
    )
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.02)
    mine, its = taught[1].manifest, by_torch[1].manifest
    assert (mine.task, mine.version, mine.class_names) == (its.task, its.version, its.class_names)
    assert mine.thresholds == its.thresholds
    assert taught[1].account.left_out == by_torch[1].account.left_out


def test_torch_finds_its_golden_outputs_again_and_all_older_columns_bit_for_bit(
    taught: tuple[Path, TeachResult], trained: tuple[Path, TrainResult], backbone: Backbone
) -> None:
    before, after = load_pack(trained[0]), load_pack(taught[0])
    assert check_golden(after, backbone) < 1e-4
    assert np.array_equal(after.golden.images, before.golden.images)
    for name in ("class_weights", "class_bias"):
        columns = before.tensors[name].shape[-1]
        assert np.array_equal(after.tensors[name][..., :columns], before.tensors[name])


def test_it_says_that_no_words_were_read(taught: tuple[Path, TeachResult]) -> None:
    assert any("the words 'elephant' were not read" in note for note in taught[1].notes)
    assert taught[1].manifest.metrics["taught/elephant/words_read"] == 0
    assert json.loads((taught[0] / "report/taught.json").read_text())[0]["words_read"] is False
    assert "torch" not in taught[1].manifest.tool


def test_the_taught_pack_goes_into_the_bundle(
    taught: tuple[Path, TeachResult], bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    added = add_pack(copy, taught[0], lambda _: None)
    assert added.reference.version == taught[1].manifest.version


def test_the_command_with_a_bundle_loads_neither_torch_nor_open_clip(
    bundle: Path, elephants: list[Path], tmp_path: Path
) -> None:
    words = ["edgeclip", "teach", "--images", *map(str, elephants[:2]), "--name", "elephant"]
    words += ["--bundle", str(bundle), "--out", str(tmp_path / "pack")]
    script = (
        f"import sys; sys.argv = {words!r}\nfrom edgeclip import cli\n"
        "try:\n    cli.main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "heavy = ('torch', 'open_clip', 'sklearn', 'matplotlib')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "elephant: taught from 2 images" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_training_goes_on_from_it_with_the_words_taken_out_of_what_was_taught(
    taught: tuple[Path, TeachResult], backbone: Backbone
) -> None:
    pack = load_pack(taught[0])
    start, parts = read_parts(taught[0], pack.manifest, pack.tensors)
    columns = pack.manifest.prompt_columns or {}
    texts = backbone.embed_prompts([each for own in columns.values() for each in own])
    full = {**start, "class_weights": np.ascontiguousarray(texts.numpy().T)}
    again = compose(full, worded(start, parts, pack.manifest, backbone))
    np.testing.assert_allclose(again["class_weights"], pack.tensors["class_weights"], atol=1e-6)


def test_a_training_on_it_begins_with_what_was_taught(
    taught: tuple[Path, TeachResult],
    run_training: Callable[..., TrainResult],
    tmp_path: Path,
) -> None:
    bursts = {"elephant": 2, "leopard": 2, "zebra": 2, "blank": 2}
    names = ("leopard", "zebra", "blank", "elephant")
    run_training(
        tmp_path / "pack", data=write_set(tmp_path / "set", DrawnSet(bursts)), on=taught[0],
        targets=("elephant",), method="gda", classes={name: (name,) for name in names},
    )  # fmt: skip
    after = load_pack(tmp_path / "pack")
    start, parts = read_parts(tmp_path / "pack", after.manifest, after.tensors)
    below = [part for part in parts if part.kind != "gda"]
    found = compose(start, below)["class_weights"]
    np.testing.assert_allclose(found, load_pack(taught[0]).tensors["class_weights"], atol=1e-5)


def test_what_was_taught_without_words_cannot_be_taken_out_of_its_pack(
    taught: tuple[Path, TeachResult], backbone: Backbone, tmp_path: Path
) -> None:
    removal = Removal(taught[0], "taught", tmp_path / "out")
    with pytest.raises(ConfigError, match="knows elephant by images alone"):
        remove_adapter(removal, backbone, at=AT)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"backbone": "demo"}, "--backbone and --bundle: a bundle has its encoder"),
        ({"pretrained": "x"}, "--pretrained and --bundle: a bundle has its encoder"),
        ({"method": "meta"}, "--method meta reads the name's words"),
    ],
)
def test_options_that_a_bundle_has_no_use_for_are_refused(
    fields: dict[str, object],
    said: str,
    bundle: Path,
    run_teaching: Teacher,
    elephants: list[Path],
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=said):
        run_teaching(tmp_path / "out", elephants[:1], bundle=bundle, **{**BY_BUNDLE, **fields})


def test_a_pack_that_would_lie_in_the_bundle_is_refused(
    bundle: Path, run_teaching: Teacher, elephants: list[Path]
) -> None:
    with pytest.raises(ConfigError, match="lies in the bundle: choose another folder"):
        run_teaching(bundle / "packs/new", elephants[:1], bundle=bundle, **BY_BUNDLE)


def test_of_packs_of_several_tasks_one_must_be_named(
    run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    two = write_tiny_bundle(tmp_path / "two", [TinyPack(), TinyPack(task="civet")])
    with pytest.raises(ConfigError, match=r"several tasks .*, as --on .*two/packs/"):
        run_teaching(tmp_path / "out", elephants[:1], bundle=two, **BY_BUNDLE)


def test_a_bundle_with_its_pack_baked_in_is_refused(
    run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    baked = write_tiny_bundle(tmp_path / "baked", baked=True)
    with pytest.raises(ConfigError, match="has its pack baked in"):
        run_teaching(tmp_path / "out", elephants[:1], bundle=baked, **BY_BUNDLE)


def test_a_pack_of_another_encoder_than_the_bundle_s_is_refused(
    run_teaching: Teacher, trained: tuple[Path, TrainResult], elephants: list[Path], tmp_path: Path
) -> None:
    other = write_tiny_bundle(tmp_path / "other")
    with pytest.raises(PackError, match="name a bundle of that encoder"):
        run_teaching(
            tmp_path / "out", elephants[:1], bundle=other, **{**BY_BUNDLE, "on": trained[0]}
        )


def _cut_short(bundle: Path) -> None:
    graph = next(bundle.rglob("model.cpu.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (_cut_short, BundleDamagedError),
        (lambda bundle: (bundle / "manifest.json").write_text("{"), BundleDamagedError),
        (shutil.rmtree, BundleMissingError),
    ],
    ids=["a graph cut short", "no manifest", "no bundle"],
)
def test_a_missing_or_damaged_bundle_is_refused_and_nothing_is_written(
    damage: Callable[[Path], object],
    kind: type[EdgeclipError],
    bundle: Path,
    run_teaching: Teacher,
    elephants: list[Path],
    tmp_path: Path,
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    damage(copy)
    with pytest.raises(kind):
        run_teaching(tmp_path / "out", elephants[:1], bundle=copy, **BY_BUNDLE)
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_computes_something_else_than_the_pack_promises_is_refused(
    run_teaching: Teacher, trained: tuple[Path, TrainResult], bundle: Path, elephants: list[Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    pack = Path(shutil.copytree(trained[0], tmp_path / "pack"))
    golden = dict(np.load(pack / "golden.npz"))
    golden["probabilities"] = golden["probabilities"][:, ::-1]
    np.savez(pack / "golden.npz", allow_pickle=False, **golden)
    _hash_again(pack)
    with pytest.raises(BackendError, match=r"does not compute what leopard@1\.0\.0 promises"):
        run_teaching(tmp_path / "out", elephants[:1], bundle=bundle, **{**BY_BUNDLE, "on": pack})


def _hash_again(pack: Path) -> None:
    content = json.loads((pack / "pack.json").read_text())
    content["files"]["golden.npz"] = sha256_file(pack / "golden.npz")
    (pack / "pack.json").write_text(json.dumps(content))
