"""`add-pack` to a bundle of several packs says whether `edgeclip predict` now needs --task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgeclip.archive.answering import open_answerer
from edgeclip.clip import Backbone
from edgeclip.contract.pack import PackClass
from edgeclip.contract.prompt_columns import columns_sha256
from edgeclip.errors import ConfigError
from edgeclip.packs import load_pack
from support.export_commands import Run
from support.routed_bundles import (
    HILL,
    TASKS,
    as_on_a_device,
    asked_of,
    routed_pack,
    write_routed,
)
from support.tiny_packs import TinyEncoder, random_tensors, write_tiny_pack


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> list[Path]:
    root = tmp_path_factory.mktemp("several")
    return [routed_pack(root / task, backbone, task, seed) for seed, task in enumerate(TASKS, 1)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, packs: list[Path], encoder: TinyEncoder) -> Path:
    """A folder with a set of three packs, one of them for infrared, and the bundle of it."""
    root = tmp_path_factory.mktemp("made")
    write_routed(root, packs, encoder)
    return root


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made / "bundle", tmp_path / "bundle"))


def test_a_pack_of_other_classes_is_added_with_word_that_predict_needs_a_task(
    bundle: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    pack = routed_pack(tmp_path / "pack", backbone, "hill", 5, version="1.1.0")
    document = json.loads((pack / "pack.json").read_text())
    document["classes"][0]["prompts"][0] = "a photo of something else."
    classes = [PackClass.model_validate(own) for own in document["classes"]]
    edited = load_pack(bundle / HILL).manifest.model_copy(update={"classes": classes})
    assert edited.prompt_columns is not None
    document["prompts_sha256"] = columns_sha256(edited.prompt_columns)
    (pack / "pack.json").write_text(json.dumps(document))
    said = run("add-pack", bundle, pack)
    assert said.last_line.startswith(f"`edgeclip predict --pack {bundle}` now needs --task, as")
    assert "--task hill: hill (1.1.0) knows " in said.last_line
    assert said.last_line.endswith("a device still lets each answer for its images, by [router]."
                                   "packs")  # fmt: skip
    assert as_on_a_device(bundle, [{"task": "day"}, {"task": "hill"}])
    with pytest.raises(ConfigError, match="choose one pack with --task, as --task day: hill"):
        open_answerer(asked_of(bundle))
    assert open_answerer(asked_of(bundle, "hill")).name.startswith("hill@1.1.0 ")


def test_packs_that_go_together_need_no_task_and_nothing_is_said(
    bundle: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    pack = routed_pack(tmp_path / "pack", backbone, "hill", 5, version="1.1.0")
    assert "--task" not in run("add-pack", bundle, pack).out


def test_a_pack_that_says_of_no_images_that_they_are_its_own_needs_a_task(
    bundle: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    tensors = random_tensors(6, columns=3, names=("class_bias",))
    write_tiny_pack(tmp_path / "pack", backbone, tensors)
    facts = json.loads(run("add-pack", bundle, tmp_path / "pack", "--json").out)
    assert facts["predict_needs_task"] == "nothing says which images are for leopard"
