from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.camtrap_dp import parse_camtrap_dp, read_camtrap_dp
from edgeclip.labels.camtrap_package import Package
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable
from edgeclip.labels.sequences import sequence_ids
from support.camtrap_packages import DEPLOYMENT, MEDIUM, OBSERVATION, write_package
from support.drawn_images import draw, save, write_table


def _read(folder: Path, **options: Any) -> LabelTable:
    return read_camtrap_dp(ReadingOptions(data=folder, **options))


def _parse(folder: Path, **options: Any) -> LabelTable:
    return parse_camtrap_dp(ReadingOptions(data=folder, **options), Package(folder, None))


@pytest.mark.real_data
def test_the_example_package_is_read_at_media_level_in_utc(real_data: Path) -> None:
    table = _parse(real_data / "format-fixtures/camtrap_dp_1.0.2_example")
    assert "Camtrap DP, media-level observations; 35 others unused" in table.notes
    assert len({sample.location for sample in table.samples}) == 4
    assert all(sample.captured_at and sample.seq_id for sample in table.samples)
    first = next(s for s in table.samples if s.path.name == "20200709093328-RCNX0001.JPG")
    assert str(first.captured_at) == "2020-05-30 02:57:37+00:00"  # written as 04:57:37+02:00
    assert first.label == "Anas platyrhynchos"
    assert sum(sample.box is not None for sample in table.samples) > 0
    assert [p for p in table.problems if p.kind not in ("row", "clock")] == []


@pytest.mark.real_data
def test_the_example_package_at_event_level_joins_by_times_of_two_zones(real_data: Path) -> None:
    folder = real_data / "format-fixtures/camtrap_dp_1.0.2_example"
    table = _parse(folder, observation_level="event")
    assert "LABELS ARE OF WHOLE EVENTS: a frame may not show the animal" in table.notes
    joined = Counter(sample.where for sample in table.samples)
    assert len(joined) == 35  # of 36, one is of the camera's setup
    assert not [problem for problem in table.problems if problem.kind == "row"]
    assert all(sample.sequence_level for sample in table.samples)


@pytest.mark.real_data
def test_the_example_zip_is_read_as_its_folder_is(real_data: Path) -> None:
    folder = real_data / "format-fixtures/camtrap_dp_1.0.2_example"
    (path,) = folder.glob("*.zip")
    from_zip = parse_camtrap_dp(ReadingOptions(data=path), Package(path, None))
    assert from_zip.samples == _parse(folder).samples


@pytest.mark.real_data
def test_a_package_that_is_not_strictly_valid_is_read_with_a_list_of_what_it_lacks(
    real_data: Path,
) -> None:
    folder = real_data / "format-fixtures/zamba_camtrap_dp_small"
    dataset = read_dataset(ReadingOptions(data=folder, data_dir=real_data / "zamba/other"))
    assert [(image.class_name, image.location) for image in dataset.images] == [
        ("Felis catus", "loc1"), ("Canis aureus", "loc1"), ("Pan", "loc2"),
    ]  # fmt: skip
    assert all(image.box for image in dataset.images)
    (note,) = [note for note in dataset.notes if note.startswith("not strictly valid, lacks: ")]
    for missing in ("created", "contributors", "project", "schema of media", "cameraDelay"):
        assert missing in note


def test_a_folder_a_descriptor_and_a_bare_set_of_tables_are_packages(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "dp")
    for source in (folder, folder / "datapackage.json"):
        (image,) = read_dataset(ReadingOptions(data=source)).images
        assert (image.class_name, image.location) == ("Panthera pardus", "ridge")
        assert str(image.captured_at) == "2020-05-30 02:57:37+00:00"
    (folder / "datapackage.json").unlink()
    dataset = read_dataset(ReadingOptions(data=folder))
    assert len(dataset.images) == 1
    assert any("the whole datapackage.json" in note for note in dataset.notes)


def test_the_type_is_the_label_where_there_is_no_name(tmp_path: Path) -> None:
    blank = OBSERVATION | {"scientificName": "", "observationType": "blank"}
    assert _read(write_package(tmp_path, observations=[blank])).samples[0].label == "blank"


def test_a_place_is_its_location_else_its_deployment(tmp_path: Path) -> None:
    bare = {"deploymentID": "d1", "locationID": ""}
    assert _read(write_package(tmp_path, deployments=[bare])).samples[0].location == "d1"


def test_where_media_have_addresses_the_file_is_looked_for_by_name_and_deployment(
    tmp_path: Path,
) -> None:
    address = "https://example.org/assets/m1/file"
    medium = MEDIUM | {"filePath": address, "fileName": "IMG_1.JPG"}
    folder = write_package(tmp_path, media=[medium])
    save(folder / "media/d1/IMG_1.JPG", draw("leopard", 1))
    save(folder / "media/d2/IMG_1.JPG", draw("leopard", 2))
    assert _read(folder).samples[0].path == (folder / "media/d1/IMG_1.JPG").resolve()


def test_events_are_joined_by_deployment_and_by_times_that_are_utc_first(tmp_path: Path) -> None:
    media = [
        MEDIUM,  # 02:57:37 UTC
        MEDIUM | {"mediaID": "m2", "timestamp": "2020-05-30T04:57:37Z"},
        MEDIUM | {"mediaID": "m3", "deploymentID": "d2"},
    ]
    event = OBSERVATION | {
        "mediaID": "", "observationLevel": "event",
        "eventStart": "2020-05-30T02:57:37Z", "eventEnd": "2020-05-30T02:58:00Z",
    }  # fmt: skip
    table = _parse(write_package(tmp_path, media=media, observations=[event]))
    (sample,) = table.samples
    assert (str(sample.captured_at)[11:19], sample.sequence_level) == ("02:57:37", True)
    assert "LABELS ARE OF WHOLE EVENTS: a frame may not show the animal" in table.notes
    assert "2 media have no observation: left out, not taken as blank" in table.notes


def test_one_level_is_read_and_an_option_decides_which(tmp_path: Path) -> None:
    event = OBSERVATION | {
        "mediaID": "", "observationLevel": "event", "scientificName": "Felis",
        "eventStart": "2020-05-30T02:00:00Z", "eventEnd": "2020-05-30T03:00:00Z",
    }  # fmt: skip
    folder = write_package(tmp_path, observations=[OBSERVATION, event])
    assert [sample.label for sample in _parse(folder).samples] == ["Panthera pardus"]
    events = _parse(folder, observation_level="event")
    assert [sample.label for sample in events.samples] == ["Felis"]


def test_a_persons_label_stands_and_a_machines_gives_way(tmp_path: Path) -> None:
    machine = OBSERVATION | {"scientificName": "Felis", "classificationMethod": "machine"}
    both = _parse(write_package(tmp_path, observations=[machine, OBSERVATION]))
    assert [sample.label for sample in both.samples] == ["Panthera pardus"]
    alone = _parse(write_package(tmp_path, observations=[machine]))
    assert [sample.label_source for sample in alone.samples] == ["machine"]
    assert "1 labels were given by a machine" in alone.notes


def test_rows_of_camera_setup_are_left_out(tmp_path: Path) -> None:
    setup = OBSERVATION | {
        "mediaID": "m2", "cameraSetupType": "setup", "observationType": "human",
    }  # fmt: skip
    media = [MEDIUM, MEDIUM | {"mediaID": "m2"}]
    table = _parse(write_package(tmp_path, media=media, observations=[OBSERVATION, setup]))
    assert len(table.samples) == 1
    assert "1 observations of camera setup or calibration: left out" in table.notes
    assert not any("have no observation" in note for note in table.notes)


def test_names_of_before_1_0_are_mapped_and_named(tmp_path: Path) -> None:
    folder = write_package(tmp_path)
    write_table(
        folder / "deployments.csv",
        [("deploymentID", "locationID", "start", "end"), ("d1", "ridge", "2020-01-01", "")],
    )
    write_table(
        folder / "media.csv",
        [
            ("mediaID", "deploymentID", "sequenceID", "captureMethod", "timestamp", "filePath"),
            ("m1", "d1", "s1", "motionDetection", "2020-05-30T02:57:37Z", "a.jpg"),
        ],
    )
    write_table(
        folder / "observations.csv",
        [
            ("observationID", "deploymentID", "sequenceID", "mediaID", "observationType",
             "scientificName", "timestamp", "cameraSetup"),
            ("o1", "d1", "s1", "", "animal", "Panthera pardus", "2019-01-01T00:00:00Z", "false"),
        ],
    )  # fmt: skip
    table = _parse(folder)
    (sample,) = table.samples
    assert (sample.capture_method, sample.seq_id) == ("activityDetection", "s1")
    (note,) = [note for note in table.notes if note.startswith("names of before 1.0")]
    assert "start (now deploymentStart)" in note


def test_time_lapse_never_shares_a_sequence_with_frames_that_motion_took(tmp_path: Path) -> None:
    media = [MEDIUM, MEDIUM | {"mediaID": "m2", "captureMethod": "timeLapse"}]
    for event in ("", "e1"):
        rows = [OBSERVATION | {"eventID": event}, OBSERVATION | {"mediaID": "m2", "eventID": event}]
        samples = _parse(write_package(tmp_path, media=media, observations=rows)).samples
        one, other = sequence_ids(samples, [sample.captured_at for sample in samples])
        assert one != other


def test_doubtful_clocks_are_carried_and_times_outside_the_deployment_are_named(
    tmp_path: Path,
) -> None:
    deployment = DEPLOYMENT | {"timestampIssues": "true", "deploymentStart": "2021-01-01T00:00:00Z"}
    table = _parse(write_package(tmp_path, deployments=[deployment]))
    assert table.samples[0].clock_doubted
    (problem,) = table.problems
    assert problem.kind == "clock"
    assert "2020-05-30T02:57:37+00:00 is not in its deployment" in problem.what


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"mediaID": "gone"}, "row", "no media row for its medium gone"),
        ({"scientificName": "", "observationType": ""}, "label", "neither scientificName"),
        ({"bboxX": "0.1", "bboxY": "x"}, "box", "is no box"),
    ],
    ids=["no medium", "no label", "odd box"],
)
def test_what_does_not_fit_is_named_and_stops_nothing(
    tmp_path: Path, change: dict[str, str], kind: str, message: str
) -> None:
    table = _parse(write_package(tmp_path, observations=[OBSERVATION, OBSERVATION | change]))
    assert len(table.samples) >= 1
    assert [problem.kind for problem in table.problems] == [kind]
    assert message in table.problems[0].what


@pytest.mark.parametrize(
    ("name", "message"),
    [("media", "no table of media"), ("observations", "no table of observations")],
)
def test_a_package_without_a_table_says_which(tmp_path: Path, name: str, message: str) -> None:
    folder = write_package(tmp_path)
    (folder / f"{name}.csv").unlink()
    with pytest.raises(DataError, match=message):
        _parse(folder)


def test_without_deployments_the_deployments_name_is_the_place(tmp_path: Path) -> None:
    folder = write_package(tmp_path)
    (folder / "deployments.csv").unlink()
    table = _parse(folder)
    assert table.samples[0].location == "d1"
    assert any("the table of deployments" in note for note in table.notes)


def test_videos_are_skipped_and_a_package_of_them_is_refused(tmp_path: Path) -> None:
    video = MEDIUM | {"mediaID": "m2", "filePath": "b.mp4", "fileMediatype": "video/mp4"}
    rows = [OBSERVATION, OBSERVATION | {"mediaID": "m2"}]
    table = _parse(write_package(tmp_path, media=[MEDIUM, video], observations=rows))
    assert (len(table.samples), "1 media are no images: skipped" in table.notes) == (1, True)
    with pytest.raises(DataError, match="none of 1 observations has a medium that is an image"):
        _parse(write_package(tmp_path, media=[video], observations=rows[1:]))


def test_a_table_outside_the_package_is_refused(tmp_path: Path) -> None:
    resources = [{"name": "media", "path": "../media.csv"}]
    folder = write_package(tmp_path / "dp", descriptor={"resources": resources})
    shutil.copy(folder / "media.csv", tmp_path / "media.csv")
    with pytest.raises(DataError, match="is outside the package"):
        _parse(folder)
