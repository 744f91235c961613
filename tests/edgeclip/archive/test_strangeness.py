"""An archive that looks like nothing that the packs have seen, on the carried CLIP."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edgeclip.archive.answering import Asked
from edgeclip.archive.predicting import Output, predict_archive
from edgeclip.archive.request import PredictRequest
from edgeclip.archive.results import Results
from edgeclip.cli import app, main
from edgeclip.combining import combine
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import ROUTER_FILE
from edgeclip.progress import Bars
from edgeclip.scenes.image_sets import COLUMNS, TABLE, ImageSetPlan, frames
from edgeclip.scenes.locations import Biome, location

_KNOWN = 60


def _rendered(folder: Path, biome: Biome, places: range, *, night: float = 0.0) -> Path:
    """Write frames of some places of a biome, a folder a place, and their table; return it."""
    known = [number for number in range(_KNOWN) if location(number).biome == biome]
    rows = [list(COLUMNS[:5])]
    for place in known[places.start : places.stop]:
        plan = ImageSetPlan(
            {"leopard": 4, "blank": 6}, locations=1, first_location=place, seed=place,
            night_share=night, strip=False,
        )  # fmt: skip
        for label in plan.counts:
            for frame in frames(plan, label):
                path = folder / f"place{place}" / Path(frame.path).name
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), frame.scene.image[..., ::-1])
                rows.append([f"place{place}/{path.name}", *frame.row(label)[1:5]])
    with (folder / TABLE).open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / TABLE


@pytest.fixture(scope="module")
def trained_here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of five places of the savanna by day, trained by the command."""
    root = tmp_path_factory.mktemp("strange")
    table = _rendered(root / "images", "savanna", range(5))
    words = ["--data", table, "--target", "leopard", "--backbone", "demo", "--method", "gda"]
    app(["train", *map(str, words), "--out", str(root / "pack")], standalone_mode=False)
    return root / "pack"


@pytest.fixture(scope="module")
def like_it(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other places of the savanna by day."""
    return _rendered(tmp_path_factory.mktemp("like"), "savanna", range(5, 9)).parent


@pytest.fixture(scope="module")
def unlike_it(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Places of the scrub in infrared."""
    return _rendered(tmp_path_factory.mktemp("un"), "scrub", range(3), night=1.0).parent


def _predicted(source: Path, pack: Path, out: Path) -> Results:
    output = Output(out, ["csv"])
    return predict_archive(PredictRequest(str(source), Asked(pack)), output, Bars(quiet=True))


def test_a_training_tells_how_far_its_places_are_from_each_other(trained_here: Path) -> None:
    left_out = load_file(trained_here / ROUTER_FILE)["router_left_out"]
    assert 2 <= len(left_out) <= 5
    assert ((left_out > 0) & (left_out < 1)).all()


def test_other_places_of_the_same_kind_are_no_reason_to_warn(
    trained_here: Path, like_it: Path, tmp_path: Path
) -> None:
    results = _predicted(like_it, trained_here, tmp_path / "out")
    told = results.strangeness.to_json()
    assert told is not None
    assert (told["judged"], told["is_strange"]) == (40, False)
    assert not results.notes


def test_an_archive_of_another_world_is_warned_of_once_at_the_end(
    trained_here: Path, unlike_it: Path, tmp_path: Path
) -> None:
    results = _predicted(unlike_it, trained_here, tmp_path / "out")
    [said] = results.notes
    assert said.startswith("this archive looks like nothing that leopard learned from: ")
    assert "of 30 images are further from it than the farthest of the" in said
    assert _predicted(unlike_it, trained_here, tmp_path / "out").notes[0] == said


def test_the_command_warns_a_person_and_tells_a_machine(
    trained_here: Path, unlike_it: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["edgeclip", "predict", unlike_it, "--pack", trained_here, "--out", tmp_path / "out"]
    for more in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", [*map(str, words), *more])
        with pytest.raises(SystemExit):
            main()
        said = capsys.readouterr().out
        if more:
            told = json.loads(said)["strangeness"]
            assert told["is_strange"]
            assert 15 < told["beyond"] <= told["judged"] == 30
        else:
            assert said.count("looks like nothing that leopard learned from") == 1


def test_packs_of_before_warn_of_nothing(
    trained_here: Path, unlike_it: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(trained_here, tmp_path / "older"))
    row = load_file(older / ROUTER_FILE)
    del row["router_left_out"]
    save_file(row, older / ROUTER_FILE)
    _mend(older)
    results = _predicted(unlike_it, older, tmp_path / "out")
    assert results.strangeness.to_json() is None
    assert not results.notes


def test_of_a_set_the_nearest_pack_counts(
    trained_here: Path, unlike_it: Path, tmp_path: Path
) -> None:
    near = Path(shutil.copytree(trained_here, tmp_path / "near"))
    row = load_file(near / ROUTER_FILE)
    wide = np.array([0.1, 2.0], np.float32)
    save_file(row | {"router_left_out": wide}, near / ROUTER_FILE)
    _mend(near, task="near")
    combine([("far", trained_here), ("near", near)], tmp_path / "set", {})
    assert not _predicted(unlike_it, tmp_path / "set", tmp_path / "both").notes
    combine([("far", trained_here)], tmp_path / "one", {})
    assert len(_predicted(unlike_it, tmp_path / "one", tmp_path / "alone").notes) == 1


def test_of_several_packs_the_warning_names_each_with_its_places(
    trained_here: Path, unlike_it: Path, tmp_path: Path
) -> None:
    combine([("far", trained_here), ("further", trained_here)], tmp_path / "set", {})
    results = _predicted(unlike_it, tmp_path / "set", tmp_path / "out")
    [said] = [note for note in results.notes if note.startswith("this archive")]
    places = len(load_file(trained_here / ROUTER_FILE)["router_left_out"])
    assert "like nothing that far or further learned from" in said
    assert "of 30 images are further from each of these packs than" in said
    assert f"left out in turn (far {places}, further {places}): look" in said


def _mend(pack: Path, **fields: object) -> None:
    document = json.loads((pack / "pack.json").read_text())
    hashes = {name: sha256_file(pack / name) for name in document["files"]}
    (pack / "pack.json").write_text(json.dumps(document | fields | {"files": hashes}))
