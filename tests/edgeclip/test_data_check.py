"""`edgeclip data check` on every format, as a person runs it and reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edgeclip.cli import app
from edgeclip.config import Recipe, TrainConfig
from edgeclip.errors import ConfigError
from edgeclip.progress import Bars
from edgeclip.trainer import train
from support.camtrap_packages import DEPLOYMENT, MEDIUM, OBSERVATION, write_package
from support.drawn_images import draw, save, write_table
from support.tiny_packs import TinyEncoder

PLACES = ("ridge", "stream", "camp", "pass")
BOX = [0.25, 0.25, 0.5, 0.5]


def _images(folder: Path) -> list[tuple[str, str, str]]:
    """Draw leopard and blank at four places; return file, label and place of each."""
    rows = []
    for number, place in enumerate(PLACES):
        for label in ("leopard", "blank"):
            hour = 11 if label == "leopard" else 15
            name = f"{place}/{label}/{number}_2024-05-0{number + 1}_{hour}-00-00.jpg"
            save(folder / name, draw(label, number, background=number))
            rows.append((name, label, place))
    return rows


def _table(folder: Path) -> Path:
    return write_table(folder / "labels.csv", [("path", "label", "site"), *_images(folder)])


def _coco(folder: Path) -> Path:
    rows = _images(folder)
    images = [{"id": n, "file_name": f, "location": p} for n, (f, _, p) in enumerate(rows)]
    labels = [
        {"id": n, "image_id": n, "category_id": 1 if label == "leopard" else 0}
        | ({"bbox_relative": BOX} if label == "leopard" else {})
        for n, (_, label, _) in enumerate(rows)
    ]
    kinds = [{"id": 0, "name": "empty"}, {"id": 1, "name": "leopard"}]
    path = folder / "coco.json"
    path.write_text(json.dumps({"images": images, "annotations": labels, "categories": kinds}))
    return path


def _camtrap(folder: Path) -> Path:
    rows = list(enumerate(_images(folder)))
    write_package(
        folder,
        deployments=[DEPLOYMENT | {"deploymentID": p, "locationID": p} for p in PLACES],
        media=[
            MEDIUM | {"mediaID": str(n), "deploymentID": p, "filePath": f, "timestamp": ""}
            for n, (f, _, p) in rows
        ],
        observations=[
            OBSERVATION | {"mediaID": str(n), "deploymentID": p, "observationType": "blank",
                           "scientificName": "" if label == "blank" else label}
            for n, (_, label, p) in rows
        ],
    )  # fmt: skip
    return folder


def _zip(folder: Path) -> Path:
    _camtrap(folder / "dp")
    return Path(shutil.make_archive(str(folder / "dp"), "zip", folder / "dp"))


def _megadetector(folder: Path) -> Path:
    animal = {"category": "1", "conf": 0.9, "bbox": BOX, "classifications": [["0", 0.9]]}
    images = [
        {"file": f, "detections": [animal] if label == "leopard" else []}
        for f, label, _ in _images(folder)
    ]
    path = folder / "md.json"
    content = {"images": images, "detection_categories": {"1": "animal"}}
    path.write_text(json.dumps(content | {"classification_categories": {"0": "leopard"}}))
    return path


def _folder(folder: Path) -> Path:
    _images(folder)
    return folder


def _check(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["data", "check", *map(str, arguments)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


FORMATS = [_table, _coco, _camtrap, _zip, _megadetector, _folder]


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__[1:])
def test_one_set_of_images_is_the_same_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Path]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content: dict[str, Any] = json.loads(_check(write(tmp_path / "set"), "--json"))
    assert (content["rows"], content["usable"]) == (8, 8)
    by_class = {line["name"]: line["by_location"] for line in content["classes"]}
    assert by_class == {name: dict.fromkeys(sorted(PLACES), 1) for name in ("leopard", "blank")}
    assert content["problems"] == []
    assert (content["split"], content["first"][:10]) == ("location", "2024-05-01")


def test_what_a_person_reads_has_places_bursts_times_doubts_and_the_next_command(
    tmp_path: Path,
) -> None:
    table = _table(tmp_path / "set")
    text = _check(table, "--time-offset=ridge=-12h", "--tz", "Africa/Nairobi")
    for part in (
        "8 labelled files named, 8 usable, 0% infrared",
        "8 sequences, 0 of them bursts",
        "8 with a time (8 by file name), 2024-04-30 to 2024-05-04",
        "fewer than 20 images: leopard 4, blank 4",
        "assumed: location = column site",
        f"next: edgeclip train --data {table} --time-offset=ridge=-43200s --tz Africa/Nairobi",
    ):
        assert part in text


def test_a_misspelt_column_is_warned_of_and_images_without_a_place_are_counted(
    tmp_path: Path,
) -> None:
    rows: list[tuple[object, ...]] = [*_images(tmp_path)]
    misspelt = write_table(tmp_path / "a.csv", [("path", "label", "locaton"), *rows])
    warned = " ".join(_check(misspelt).split())
    assert "warning: a.csv: 'locaton' looks like location: rename that column" in warned
    assert "assumed: no column for location" not in warned
    save(tmp_path / "extra.jpg", draw("leopard", 99))
    known: list[tuple[object, ...]] = [
        ("path", "label", "site"),
        *rows,
        ("extra.jpg", "leopard", ""),
    ]
    text = " ".join(_check(write_table(tmp_path / "b.csv", known)).split())
    assert "no location is known of 1 of 9 images: only these are split by sequence" in text


def test_an_empty_class_as_target_is_asked_about(tmp_path: Path) -> None:
    text = " ".join(_check(_table(tmp_path), "--target", "blank").split())
    assert "warning: target blank: a device alerts on each image without an animal" in text
    assert text.endswith(f"--data {tmp_path}/labels.csv --target blank --backbone demo --out pack/")


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("lepard", "did you mean leopard?"),
        ("leopard,blank", "repeat the option: --target leopard --target blank"),
        ("42", "classes are blank, leopard"),
    ],
)
def test_a_target_that_is_no_label_is_refused_before_an_image_is_opened(
    tmp_path: Path, target: str, hint: str
) -> None:
    done = CliRunner().invoke(app, ["data", "check", str(_table(tmp_path)), "--target", target])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == f"--target {target} is no class of the data: {hint}"
    assert "opening images" not in done.stderr


def test_many_classes_are_summed_behind_the_largest(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [("path", "label", "site")]
    for number in range(24):
        save(tmp_path / f"{number}.jpg", draw("leopard", number))
        rows.append((f"{number}.jpg", f"species {number % 12:02}", "ridge"))
    text = _check(write_table(tmp_path / "l.csv", rows))
    assert "4 others" in text.splitlines()[1]
    assert text.splitlines()[3].split()[-1] == "8"


def test_a_terminal_of_80_columns_shows_every_name_whole_though_on_several_lines(
    tmp_path: Path,
) -> None:
    names = ("burrowing_owl", "collared_peccary", "crab_eating_fox", "giant_anteater",
             "brazilian_tapir", "southern_tamandua", "ocelot", "blank")  # fmt: skip
    rows: list[tuple[object, ...]] = [("path", "label", "site")]
    for number in range(24):
        save(tmp_path / f"{number}.jpg", draw("leopard", number))
        rows.append((f"{number}.jpg", names[number % 8], f"camera_at_the_stream_{number % 4}"))
    table = write_table(tmp_path / "l.csv", rows)
    done = CliRunner().invoke(app, ["data", "check", str(table)], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert "…" not in done.stdout
    heading, below = done.stdout.partition("plit by ")[2].splitlines()[1:3]
    assert " ".join(heading.split()) == "se- lo- vali-"
    assert " ".join(below.split()) == (
        "class images quences cations infrared train dation test test_seen"
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--multi", "all", "multi: "),
        ("--box-unit", "cm", "box_unit: "),
        ("--observation-level", "frame", "observation_level: "),
        ("--tz", "Mars", "--tz 'Mars' is no zone"),
        ("--time-offset", "noon", "--time-offset 'noon'"),
        ("--layout", "x/y", "--layout 'x/y' is not known"),
    ],
)
def test_an_option_that_does_not_exist_is_refused(
    tmp_path: Path, option: str, value: str, message: str
) -> None:
    done = CliRunner().invoke(app, ["data", "check", str(tmp_path), option, value])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)


def test_data_whose_labels_are_all_of_sequences_are_shown_and_the_option_is_named(
    tmp_path: Path,
) -> None:
    path = _coco(tmp_path)
    content = json.loads(path.read_text())
    for label in content["annotations"]:
        label["sequence_level_annotation"] = True
    path.write_text(json.dumps(content))
    done = CliRunner().invoke(app, ["data", "check", str(path), "--json"])
    summary = json.loads(done.stdout)
    assert (done.exit_code, summary["usable"], summary["split"]) == (0, 8, None)
    assert "all 8 labels are of whole sequences" in summary["split_problem"]
    assert "add --sequence-labels" in summary["notes"][-1]


def test_frames_with_two_animals_train(encoder: TinyEncoder, tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [("path", "label", "site", "x1", "y1", "x2", "y2")]
    for number in range(9):
        for label in ("leopard", "blank"):
            name, place = f"{number}{label}.jpg", f"P{number % 3}"
            save(tmp_path / name, draw(label, number, background=number))
            box = (0.2, 0.2, 0.8, 0.8) if label == "leopard" else ("",) * 4
            rows.append((name, label, place, *box))
            if label == "leopard":
                rows.append((name, "deer", place, 0.0, 0.0, 0.2, 0.3))
    config = TrainConfig(
        data=write_table(tmp_path / "l.csv", rows),
        multi="multi",
        method="head",
        out=tmp_path / "pack",
        backbone=str(encoder.config),
        pretrained=str(encoder.weights),
        targets=("leopard",),
        recipe=Recipe(steps=5, views=1, batch=16),
    )
    at = datetime(2026, 5, 1, tzinfo=timezone.utc)
    result = train(config, created_at=at, bars=Bars(quiet=True))
    names = {line.name: line.images for line in result.summary.classes}
    assert names == {"deer": 9, "leopard": 9, "blank": 9}
