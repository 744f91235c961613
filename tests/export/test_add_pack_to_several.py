"""`add-pack` says whether `edgeclip predict` with the bundle now needs --task."""

from __future__ import annotations

import json
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
    as_on_a_device,
    asked_of,
    routed_pack,
)
from support.tiny_packs import random_tensors, write_tiny_pack


def test_a_pack_of_other_classes_is_added_with_word_that_predict_needs_a_task(
    routed: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    pack = routed_pack(tmp_path / "pack", backbone, "hill", 5, version="1.1.0")
    document = json.loads((pack / "pack.json").read_text())
    document["classes"][0]["prompts"][0] = "a photo of something else."
    classes = [PackClass.model_validate(own) for own in document["classes"]]
    edited = load_pack(routed / HILL).manifest.model_copy(update={"classes": classes})
    assert edited.prompt_columns is not None
    document["prompts_sha256"] = columns_sha256(edited.prompt_columns)
    (pack / "pack.json").write_text(json.dumps(document))
    said = run("add-pack", routed, pack)
    assert said.last_line.startswith(f"`edgeclip predict --pack {routed}` now needs --task, as")
    assert "--task hill: hill (1.1.0) knows " in said.last_line
    assert said.last_line.endswith("a device still lets each answer for its images, by [router]."
                                   "packs")  # fmt: skip
    assert as_on_a_device(routed, [{"task": "day"}, {"task": "hill"}])
    with pytest.raises(ConfigError, match="choose one pack with --task, as --task day: hill"):
        open_answerer(asked_of(routed))
    assert open_answerer(asked_of(routed, "hill")).name.startswith("hill@1.1.0 ")


def test_packs_that_go_together_need_no_task_and_nothing_is_said(
    routed: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    pack = routed_pack(tmp_path / "pack", backbone, "hill", 5, version="1.1.0")
    assert "--task" not in run("add-pack", routed, pack).out


def test_a_pack_alone_answers_for_all_images_also_where_it_could_share_them_with_none(
    bundle: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    tensors = random_tensors(6, columns=3, names=("class_bias", "projection_delta"))
    write_tiny_pack(tmp_path / "pack", backbone, tensors, version="1.1.0")
    assert "--task" not in run("add-pack", bundle, tmp_path / "pack").out
    assert open_answerer(asked_of(bundle)).name.startswith("leopard@1.1.0 ")


def test_a_pack_that_says_of_no_images_that_they_are_its_own_needs_a_task(
    routed: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    tensors = random_tensors(6, columns=3, names=("class_bias",))
    write_tiny_pack(tmp_path / "pack", backbone, tensors)
    facts = json.loads(run("add-pack", routed, tmp_path / "pack", "--json").out)
    assert facts["predict_needs_task"] == "nothing says which images are for leopard"
