from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.dataset import Dataset, read_dataset
from edgeclip.labels.reading import ReadingOptions
from support.drawn_images import draw, save, write_table

SURE = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4]}
LESS = {"category": "1", "conf": 0.5, "bbox": [0.5, 0.5, 0.1, 0.1]}
PERSON = {"category": "2", "conf": 0.95, "bbox": [0.0, 0.0, 0.2, 0.9]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folders leopard, human and blank with an image each."""
    for number, label in enumerate(("leopard", "human", "blank")):
        save(tmp_path / f"images/{label}/{label}.jpg", draw(label, number))
    return tmp_path / "images"


def _read(source: Path, images: list[dict[str, Any]], **options: Any) -> Dataset:
    path = source.parent / "md.json"
    path.write_text(json.dumps({"images": images, "detection_categories": {}}))
    return read_dataset(ReadingOptions(data=source, boxes=path, **options))


def _all(*detections: dict[str, Any]) -> list[dict[str, Any]]:
    """Say the same of each image."""
    names = ("leopard", "human", "blank")
    return [{"file": f"{n}/{n}.jpg", "detections": list(detections)} for n in names]


def test_folders_of_images_get_the_surest_box_of_their_kind(folder: Path) -> None:
    dataset = _read(folder, _all(LESS, SURE, PERSON))
    boxes = {image.class_name: image.box for image in dataset.images}
    assert boxes == {"leopard": (0.1, 0.2, 0.3, 0.4), "human": (0.0, 0.0, 0.2, 0.9), "blank": None}
    assert "boxes of md.json: 2 of 3 labels got one" in dataset.notes


def test_a_blank_in_which_the_detector_sees_an_animal_is_named(folder: Path) -> None:
    dataset = _read(folder, _all(SURE))
    (problem,) = dataset.problems
    assert problem.kind == "doubt"
    assert "blank.jpg is labelled blank, but the detector sees an animal (0.90)" in problem.what


def test_under_multi_each_box_is_an_image_of_its_own(folder: Path) -> None:
    dataset = _read(folder, _all(SURE, LESS), multi="multi")
    leopards = [image for image in dataset.images if image.class_name == "leopard"]
    assert [image.box for image in leopards] == [(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.1, 0.1)]


def test_boxes_below_the_threshold_are_not_taken(folder: Path) -> None:
    dataset = _read(folder, _all(LESS), box_threshold=0.6)
    assert [image.box for image in dataset.images] == [None] * 3
    assert "2 show nothing to the detector: used without a box" in dataset.notes[-1]


def test_what_the_results_do_not_hold_or_failed_on_is_used_without_a_box(folder: Path) -> None:
    images: list[dict[str, Any]] = [
        {"file": "leopard/leopard.jpg", "failure": "cut short"},
        {"file": "elsewhere/z.jpg", "detections": [SURE]},
    ]
    dataset = _read(folder, images)
    assert len(dataset.images) == 3
    assert dataset.problems[0].what == "the detector failed (cut short): used without a box"
    assert "2 are not in it; 1 of its files are not here" in dataset.notes[-1]


def test_a_box_of_the_labels_own_stands(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", draw("leopard", 0))
    rows: list[tuple[object, ...]] = [
        ("path", "label", "bbox_x", "bbox_y", "bbox_w", "bbox_h"),
        ("a.jpg", "leopard", 0.6, 0.6, 0.2, 0.2),
    ]
    table = write_table(tmp_path / "labels.csv", rows)
    dataset = _read(table, [{"file": "a.jpg", "detections": [SURE]}])
    assert dataset.images[0].box == (0.6, 0.6, 0.2, 0.2)
    assert "1 have one of their own" in dataset.notes[-1]


@pytest.mark.real_data
def test_the_real_labels_and_the_real_boxes_of_ena24_meet(real_data: Path) -> None:
    fixtures = real_data / "format-fixtures/zamba_ena24"
    options = ReadingOptions(
        data=fixtures / "labels.csv",
        data_dir=real_data / "zamba/ena24_small",
        boxes=fixtures / "md_annotations.json",
    )
    dataset = read_dataset(options)
    assert len(dataset.images) == 21
    assert all(image.box for image in dataset.images)
    assert {image.class_name for image in dataset.images} >= {"Virginia Opossum", "Chicken"}


def test_of_results_with_one_name_the_nearest_is_of_the_file(tmp_path: Path) -> None:
    save(tmp_path / "ridge/IMG_1.jpg", draw("leopard", 0))
    save(tmp_path / "ford/IMG_1.jpg", draw("leopard", 1))
    table = write_table(
        tmp_path / "labels.csv",
        [("path", "label"), ("ridge/IMG_1.jpg", "leopard"), ("ford/IMG_1.jpg", "leopard")],
    )
    named = ["/old/ridge/IMG_1.jpg", "/old/marsh/ridge/IMG_1.jpg", "/old/ford/IMG_1.jpg"]
    boxes = [LESS, LESS, SURE]
    images = [{"file": n, "detections": [b]} for n, b in zip(named, boxes, strict=True)]
    dataset = _read(table, images)
    assert [image.box for image in dataset.images] == [None, (0.1, 0.2, 0.3, 0.4)]
    assert "1 are not in it; 2 of its files are not here" in dataset.notes[-1]


def test_results_of_a_folder_that_is_not_here_give_no_box_to_a_name_that_is(
    tmp_path: Path,
) -> None:
    save(tmp_path / "ridge/IMG_1.jpg", draw("leopard", 0))
    table = write_table(
        tmp_path / "labels.csv", [("path", "label"), ("ridge/IMG_1.jpg", "leopard")]
    )
    images = [
        {"file": "ridge/IMG_1.jpg", "detections": [SURE]},
        {"file": "ford/IMG_1.jpg", "detections": [LESS]},
    ]
    dataset = _read(table, images)
    assert dataset.images[0].box == (0.1, 0.2, 0.3, 0.4)
    assert "1 of its files are not here" in dataset.notes[-1]


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("below", ["", "/home/rita/season 3/"], ids=["relative", "absolute"])
@pytest.mark.parametrize("unzipped", [False, True], ids=["zip alone", "unzipped beside it too"])
@pytest.mark.usefixtures("_own_cache")
def test_images_of_a_zip_get_their_boxes(tmp_path: Path, below: str, *, unzipped: bool) -> None:
    observations = ["observationID,deploymentID,mediaID,observationLevel,observationType"]
    media = ["mediaID,deploymentID,timestamp,filePath,fileMediatype"]
    archive = tmp_path / "dp/package.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as package:
        for number, camera in enumerate(("a", "b")):
            name = f"media/{camera}/IMG_1.jpg"
            content = save(tmp_path / f"{camera}.jpg", draw("leopard", number)).read_bytes()
            package.writestr(name, content)
            media.append(f"m{number},{camera},2020-05-30T04:5{number}:00Z,{name},image/jpeg")
            observations.append(f"o{number},{camera},m{number},media,animal")
        package.writestr("media.csv", "\n".join(media))
        package.writestr("observations.csv", "\n".join(observations))
        package.writestr("deployments.csv", "deploymentID,locationID\na,ridge\nb,ford\n")
    if unzipped:
        with zipfile.ZipFile(archive) as package:
            package.extractall(archive.parent / "package")
    images = [
        {"file": f"{below}media/{camera}/IMG_1.jpg", "detections": [box]}
        for camera, box in (("a", SURE), ("b", LESS))
    ]
    dataset = _read(archive, images)
    assert [image.box for image in dataset.images] == [
        (0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.1, 0.1),
    ]  # fmt: skip
    assert "boxes of md.json: 2 of 2 labels got one" in dataset.notes


@pytest.mark.real_data
@pytest.mark.usefixtures("_own_cache")
def test_the_real_boxes_of_ena24_meet_its_images_in_a_zip(real_data: Path, tmp_path: Path) -> None:
    fixtures, images = real_data / "format-fixtures/zamba_ena24", real_data / "zamba/ena24_small"
    names = sorted(path.name for path in images.glob("*.jpg"))
    with zipfile.ZipFile(tmp_path / "dp.zip", "w") as package:
        for name in names:
            package.write(images / name, name)
        rows = [f"{name},d,2020-05-30T04:57:37Z,{name},image/jpeg" for name in names]
        head = "mediaID,deploymentID,timestamp,filePath,fileMediatype"
        package.writestr("media.csv", "\n".join([head, *rows]))
        head = "observationID,deploymentID,mediaID,observationLevel,observationType"
        rows = [f"{name},d,{name},media,animal" for name in names]
        package.writestr("observations.csv", "\n".join([head, *rows]))
        package.writestr("deployments.csv", "deploymentID\nd\n")
    boxes = fixtures / "md_annotations.json"
    from_zip = read_dataset(ReadingOptions(data=tmp_path / "dp.zip", boxes=boxes))
    from_table = read_dataset(
        ReadingOptions(data=fixtures / "labels.csv", data_dir=images, boxes=boxes)
    )
    assert {i.path.name: i.box for i in from_zip.images}.items() >= {
        i.path.name: i.box for i in from_table.images
    }.items()
    assert any(image.box for image in from_zip.images)


@pytest.mark.real_data
@pytest.mark.usefixtures("_own_cache")
def test_the_fixture_package_keeps_its_own_boxes_in_a_zip_and_else_gets_the_detector_s(
    real_data: Path, tmp_path: Path
) -> None:
    tables = real_data / "format-fixtures/zamba_camtrap_dp_small"
    names = ("small_cat.jpg", "wild_dog_jackal.jpg", "chimpanzee_bonobo.jpeg")
    with zipfile.ZipFile(tmp_path / "dp.zip", "w") as package:
        for name in names:
            package.write(real_data / "zamba/other" / name, name)
        for table in tables.iterdir():
            text = table.read_text().replace(",0.1,0.2,0.3,0.4,human", ",,,,,human")
            package.writestr(table.name, text)  # the small cat has no box of its own
    images = [{"file": f"E:\\cards\\{name}", "detections": [LESS]} for name in names]
    dataset = _read(tmp_path / "dp.zip", images)
    boxes = {image.path.name: image.box for image in dataset.images}
    assert boxes["small_cat.jpg"] == (0.5, 0.5, 0.1, 0.1)
    assert boxes["wild_dog_jackal.jpg"] == (0.05, 0.15, 0.25, 0.35)


def test_boxes_of_another_kind_of_file_are_refused(folder: Path) -> None:
    path = folder.parent / "x.json"
    path.write_text('{"type": "FeatureCollection"}')
    with pytest.raises(DataError, match="no detector results: --boxes takes MegaDetector's JSON"):
        read_dataset(ReadingOptions(data=folder, boxes=path))
