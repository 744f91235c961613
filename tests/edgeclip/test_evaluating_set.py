"""A set of packs on labelled images that none of them learned from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from edgeclip.cli import app
from edgeclip.combining import combine
from edgeclip.contract.hashing import sha256_file
from edgeclip.openings import read_openings
from edgeclip.routed_images import ask_images
from support.drawn_images import DrawnSet, write_set
from support.tiny_packs import TinyEncoder


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled images at places that no pack knows, and elephants, which none knows either."""
    drawn = DrawnSet({"elephant": 7, "leopard": 2, "blank": 2}, locations=3)
    table = write_set(tmp_path_factory.mktemp("elsewhere"), drawn)
    table.write_text(table.read_text().replace(",place", ",elsewhere"))
    return table


@pytest.fixture
def routed(pack: Path, tmp_path: Path) -> Path:
    """A set of the trained pack and a copy for the opposite of its images, with a learned gate."""
    other = Path(shutil.copytree(pack, tmp_path / "other"))
    row = load_file(other / "router.safetensors")
    turned = {name: -row[name] for name in ("router_keys", "router_samples")}
    wide = {"router_threshold": np.array([2.0], np.float32)}
    save_file(row | turned | wide, other / "router.safetensors")
    document = json.loads((other / "pack.json").read_text())
    hashes = {name: sha256_file(other / name) for name in document["files"]}
    (other / "pack.json").write_text(json.dumps(document | {"task": "other", "files": hashes}))
    combine([pack, other], tmp_path / "set", {}, k=1)
    return tmp_path / "set"


def _run(encoder: TinyEncoder, *arguments: object) -> tuple[object, str, str]:
    given = ("--backbone", encoder.config, "--pretrained", encoder.weights)
    done = CliRunner().invoke(app, ["evaluate", *map(str, (*arguments, *given))])
    return done.exception, done.stdout, str(done.exception)


def test_a_set_is_measured_by_the_packs_that_its_gate_names(
    routed: Path, encoder: TinyEncoder, elsewhere: Path
) -> None:
    error, said, _ = _run(encoder, "--pack", routed, "--data", elsewhere, "--json")
    assert error is None or isinstance(error, SystemExit)
    result = json.loads(said)
    every = sorted(elsewhere.parent.rglob("*.jpg"))
    images = [image for image in every if "elephant" not in image.name]
    asked = ask_images(
        routed, images, {}, backbone=str(encoder.config), pretrained=str(encoder.weights)
    )
    chosen = asked.answers.chosen
    assert result["images"] == len(images) == 24
    assert result["answered"] == {name: chosen.count(name) for name in ("leopard", "other")}
    assert result["prompts_alone"] == chosen.count(None)
    names = [asked.class_names[row.argmax()] for row in asked.answers.probabilities]
    right = [name in image.name for name, image in zip(names, images, strict=True)]
    assert result["accuracy"] == pytest.approx(np.mean(right), abs=1e-6)
    score = result["targets"]["leopard"]
    assert score["support"] == 12
    assert score["recall"] == score["found"] / 12
    assert len(read_openings(routed / "packs/other")) == 2  # its training's, and this


def test_a_person_reads_who_answered_and_how_rightly(
    routed: Path, encoder: TinyEncoder, elsewhere: Path
) -> None:
    _, said, _ = _run(encoder, "--pack", routed, "--data", elsewhere)
    for words in ("24 images", "answered by", "prompts alone", "false alarms"):
        assert words in said
    assert f"next: edgeclip-export bundle --pack {routed}" in said.replace("\n", "")


def test_images_that_a_pack_learned_from_are_left_out(
    routed: Path, encoder: TinyEncoder, table: Path
) -> None:
    _, said, _ = _run(encoder, "--pack", routed, "--data", table, "--json")
    tested = json.loads(said)["images"]
    assert 0 < tested < 72


@pytest.mark.parametrize(
    "option",
    [("--report", "r"), ("--baseline", "zero-shot"), ("--background-check",), ("--device", "cpu"),
     ("--strip-top-px", "3"), ("--split", "s.csv")],
    ids=lambda option: option[0],
)  # fmt: skip
def test_options_of_one_pack_are_refused_with_a_set(
    routed: Path, encoder: TinyEncoder, elsewhere: Path, option: tuple[str, ...]
) -> None:
    _, _, said = _run(encoder, "--pack", routed, "--data", elsewhere, *option)
    assert f"{option[0]} is of one pack, and {routed} is a set: leave it out" in said


def test_facts_are_of_sets(pack: Path, encoder: TinyEncoder, elsewhere: Path) -> None:
    _, _, said = _run(encoder, "--pack", pack, "--data", elsewhere, "--fact", "light=day")
    assert f"--fact is for the static keys of a set, and {pack} is none" in said


def test_static_keys_are_compared_with_light_and_place_of_each_image_as_predict_does(
    pack: Path, encoder: TinyEncoder, elsewhere: Path, tmp_path: Path
) -> None:
    keys = {"night": {"light": "infrared"}, "one": {"location": "elsewhere1"}}
    combine([("night", pack), ("one", pack)], tmp_path / "set", keys)

    def answered(*more: str) -> tuple[dict[str, int], int]:
        _, said, _ = _run(encoder, "--pack", tmp_path / "set", "--data", elsewhere, "--json", *more)
        result = json.loads(said)
        return result["answered"], result["prompts_alone"]

    assert answered() == ({"night": 0, "one": 8}, 16)
    assert answered("--fact", "light=infrared", "--fact", "location=x") == (
        {"night": 24, "one": 0},
        0,
    )
