"""Verdicts become labels that the trainer takes as they are."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from edgeclip.contract.detection import AppliedThresholds
from edgeclip.errors import ConfigError, DashboardError
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip_dashboard.exports.labels import LabelsRequest, write_labels
from edgeclip_dashboard.exports.request import Written
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.messages import MediaMessage
from support.dashboards import jpeg, media_ref
from support.exported import fill, picture_of, say, source_of, visit
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk

ALL = LabelsRequest(DetectionFilter())


def _write(desk: Desk, out: Path, request: LabelsRequest = ALL, **options: Any) -> Written:
    return write_labels(source_of(desk), request, out, **options)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _judged(desk: Desk, seq: int, probability: float, word: str) -> str:
    detection = visit(seq, AT + timedelta(hours=seq), probability=probability)
    desk.commit(detection, picture_of(detection, seq))
    if word:
        say(desk, detection, word)
    return detection.detection_id


def test_a_label_stands_beside_the_picture_that_was_judged_and_no_later_one(
    desk: Desk, tmp_path: Path
) -> None:
    first = visit(1)
    desk.commit(first, picture_of(first, 1))
    say(desk, first, "right", "leopard")
    later = {"rev": 1, "seq": 2, "class_name": "boar", "media": [media_ref(jpeg(2), n=1)]}
    desk.commit(first.model_copy(update=later), picture_of(first, 2, n=1))
    _write(desk, tmp_path / "labels.csv")
    [row] = _rows(tmp_path / "labels.csv")
    assert (row["label"], row["device_label"]) == ("leopard", "boar")
    assert (tmp_path / row["filepath"]).read_bytes() == jpeg(1)


def test_only_what_people_said_is_a_label(desk: Desk, tmp_path: Path) -> None:
    stored = fill(desk)
    written = _write(desk, tmp_path / "labels.csv")
    rows = {row["seq_id"]: row for row in _rows(tmp_path / "labels.csv")}
    labels = {
        name: rows[stored[name].detection_id]["label"] for name in ("right", "wrong", "other")
    }
    assert labels == {"right": "leopard", "wrong": "blank", "other": "hyena"}
    assert written.detections == len(rows) == 3
    for row in rows.values():
        assert (tmp_path / row["filepath"]).is_file()


def test_the_surest_mistakes_come_first(desk: Desk, tmp_path: Path) -> None:
    thresholds = AppliedThresholds(on=0.6, off=0.4, peak=0.7)
    assert visit(1).thresholds == thresholds
    plan = [(0.98, "right"), (0.7, "wrong"), (0.62, "right"), (0.97, "wrong"), (0.61, "")]
    ids = [_judged(desk, seq, *one) for seq, one in enumerate(plan, 1)]
    _write(desk, tmp_path / "labels.csv", LabelsRequest(DetectionFilter(), uncertain=9))
    rows = _rows(tmp_path / "labels.csv")
    assert [ids.index(row["seq_id"]) for row in rows] == [3, 1, 2, 0, 4]
    whys = ["corrected", "corrected", "confirmed", "confirmed", "uncertain"]
    assert [row["why"] for row in rows] == whys
    assert rows[-1]["label"] == "unknown"


def test_what_is_far_from_its_threshold_is_not_uncertain(desk: Desk, tmp_path: Path) -> None:
    _judged(desk, 1, 0.9, "right")
    _judged(desk, 2, 0.95, "")
    _write(desk, tmp_path / "labels.csv", LabelsRequest(DetectionFilter(), uncertain=9))
    assert len(_rows(tmp_path / "labels.csv")) == 1


def test_people_are_left_out_unless_they_are_asked_for(desk: Desk, tmp_path: Path) -> None:
    stored = fill(desk)
    say(desk, stored["person"], "right")
    written = _write(desk, tmp_path / "without.csv")
    assert written.notes == ("1 picture with people stayed here: --with-people takes them along",)
    _write(desk, tmp_path / "with.csv", LabelsRequest(DetectionFilter(), with_people=True))
    labels = [row["label"] for row in _rows(tmp_path / "with.csv")]
    assert sorted(labels) == ["blank", "hyena", "leopard", "person"]


def test_without_a_verdict_there_is_nothing_to_learn(desk: Desk, tmp_path: Path) -> None:
    desk.commit(visit(1))
    with pytest.raises(DashboardError, match=r"no verdict has a picture .*: review"):
        _write(desk, tmp_path / "labels.csv")
    assert list(tmp_path.glob("labels*")) == []


def test_labels_are_a_table(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels are a table: name it labels\.csv"):
        _write(desk, tmp_path / "labels")


def test_labels_that_are_there_are_replaced_only_when_asked(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    _write(desk, tmp_path / "labels.csv")
    with pytest.raises(ConfigError, match="is there: choose another name, or add --overwrite"):
        _write(desk, tmp_path / "labels.csv")
    assert _write(desk, tmp_path / "labels.csv", overwrite=True).detections == 3


def test_the_trainer_reads_them_as_they_are(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    _judged(desk, 20, 0.61, "")
    _write(desk, tmp_path / "labels.csv", LabelsRequest(DetectionFilter(), uncertain=9))
    dataset = read_dataset(ReadingOptions(data=tmp_path / "labels.csv"))
    assert sorted(image.class_name for image in dataset.images) == ["blank", "hyena", "leopard"]
    assert dataset.left_out == {"unknown": 2}
    assert all(image.location == "ridge-2026" and image.captured_at for image in dataset.images)
    assert dataset.problems == ()


def test_a_pack_is_trained_on_what_people_corrected(desk: Desk, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from edgeclip.cli import app
    from edgeclip.scenes.image_sets import ImageSetPlan, write_image_set

    table = write_image_set(
        tmp_path / "drawn", ImageSetPlan(counts={"leopard": 24, "blank": 24}, locations=6, seed=3)
    )
    for seq, row in enumerate(_rows(table), 1):
        data = _jpeg(table.parent / row["path"])
        detection = visit(
            seq,
            AT + timedelta(hours=seq),
            deployment_id=row["location"].replace("_", "-").lower(),
            media=[media_ref(data)],
        )
        desk.commit(detection, MediaMessage("jetson-1", detection.detection_id, 0, data))
        say(desk, detection, "right" if row["label"] == "leopard" else "wrong")
    _write(desk, tmp_path / "labels.csv")
    arguments = f"train --data {tmp_path / 'labels.csv'} --out {tmp_path / 'pack'}"
    arguments += " --backbone demo --target leopard --method tip"
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    pack = json.loads((tmp_path / "pack" / "pack.json").read_text())
    assert [one["name"] for one in pack["classes"]] == ["leopard", "blank"]


def _jpeg(path: Path) -> bytes:
    image = cv2.imread(str(path))
    assert image is not None
    done, data = cv2.imencode(".jpg", image)
    assert done
    return data.tobytes()
