"""Clips: what moves, who crosses when, and the truth stored beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.errors import ConfigError, DataError
from edgeclip.scenes import clips
from edgeclip.scenes.clip_truth import ClipTruth, truth_path
from edgeclip.scenes.clips import ClipScript, Entry, write_clip

SIZE = (180, 320)
CROSSING = ClipScript(
    night=True, duration_s=4.0, fps=5.0, entries=(Entry("leopard", 1.0, 3.0),), size=SIZE
)


def frames_of(path: Path) -> NDArray[np.uint8]:
    video = cv2.VideoCapture(str(path))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    video.release()
    return np.stack(frames)


@pytest.fixture(scope="module")
def foliage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipTruth]:
    path = tmp_path_factory.mktemp("clips") / "foliage.mp4"
    return path, write_clip(path, script=replace(clips.foliage_clip(3.0), size=SIZE))


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipTruth]:
    path = tmp_path_factory.mktemp("clips") / "crossing.mp4"
    return path, write_clip(path, script=CROSSING)


def test_the_foliage_clip_moves_much_and_holds_no_animal(foliage: tuple[Path, ClipTruth]) -> None:
    path, truth = foliage
    frames = frames_of(path).astype(int)
    assert len(frames) == len(truth.frames) == 24
    moving = (np.abs(np.diff(frames, axis=0)).max(3) > 25).mean((1, 2))
    assert np.median(moving) > 0.02  # of the frame, from one frame to the next
    assert truth.visits == ()
    assert not any(truth.frames)


def test_truth_is_stored_beside_the_clip_and_reads_back(crossing: tuple[Path, ClipTruth]) -> None:
    path, truth = crossing
    assert truth_path(path).name == "crossing.mp4.truth.json"
    assert ClipTruth.read(path) == truth
    assert (truth.width, truth.height, truth.fps, truth.light) == (320, 180, 5.0, "infrared")


def test_the_visit_lies_between_entry_and_exit(crossing: tuple[Path, ClipTruth]) -> None:
    truth = crossing[1]
    (visit,) = truth.visits
    assert visit.label == "leopard"
    assert 1.0 <= visit.start_s < visit.end_s <= 3.0
    assert visit.last_frame - visit.first_frame >= 6
    for index, boxes in enumerate(truth.frames):
        assert bool(boxes) == (visit.first_frame <= index <= visit.last_frame)


def test_the_animal_crosses_from_left_to_right(crossing: tuple[Path, ClipTruth]) -> None:
    middles = [box.box[0] + box.box[2] / 2 for boxes in crossing[1].frames for box in boxes]
    assert middles == sorted(middles)
    assert middles[0] < 0.25
    assert middles[-1] > 0.75


def test_an_animal_that_faces_left_crosses_from_the_right() -> None:
    script = replace(CROSSING, entries=(replace(CROSSING.entries[0], faces_left=True),))
    early, late = (clips.frame_spec(script, index).subjects[0].x for index in (6, 14))
    assert early > late


def test_the_boxes_are_where_the_video_changes(crossing: tuple[Path, ClipTruth]) -> None:
    path, truth = crossing
    frames = frames_of(path).astype(int)
    visit = truth.visits[0]
    middle = (visit.first_frame + visit.last_frame) // 2
    changed = np.abs(frames[middle] - frames[0]).max(2)
    x, y, wide, tall = truth.frames[middle][0].box
    inside = changed[
        int(y * 180) : int((y + tall) * 180), int(x * 320) : int((x + wide) * 320)
    ].mean()
    assert inside > 2 * changed.mean()


def test_an_infrared_clip_is_grey(crossing: tuple[Path, ClipTruth]) -> None:
    frames = frames_of(crossing[0]).astype(int)
    assert np.abs(frames[..., 0] - frames[..., 2]).max() <= 3


def test_motion_jpeg_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / "short.avi"
    write_clip(path, script=replace(CROSSING, duration_s=0.6, entries=()))
    assert frames_of(path).shape == (3, 180, 320, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["short.avi", "short.avi.truth.json"]


@pytest.mark.parametrize(
    "script",
    [
        clips.foliage_clip(),
        clips.leopard_night_clip(),
        clips.leopard_day_clip(),
        clips.person_clip(),
    ],
    ids=["foliage", "leopard by night", "leopard by day", "person"],
)
def test_ready_scripts_are_sound_and_leave_the_view_empty_at_both_ends(script: ClipScript) -> None:
    script.check()
    assert clips.frame_spec(script, 0).subjects == ()
    assert clips.frame_spec(script, script.frame_count - 1).subjects == ()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(CROSSING, fps=0.0), "give at least one frame|fps 0.0"),
        (replace(CROSSING, duration_s=-1.0), "duration_s is -1.0"),
        (replace(CROSSING, entries=(Entry("dragon", 0, 1),)), "'dragon' cannot be rendered"),
        (replace(CROSSING, entries=(Entry("lion", 2, 1),)), "leave later"),
    ],
    ids=["fps", "duration", "species", "times"],
)
def test_a_script_that_cannot_be_rendered_is_refused(
    wrong: ClipScript, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        write_clip(tmp_path / "clip.mp4", script=wrong)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_video_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name it \.mp4 or \.avi"):
        write_clip(tmp_path / "clip.gif", script=CROSSING)


@pytest.mark.parametrize("content", [None, "", "{}", '{"version": 2}'])
def test_a_missing_or_damaged_truth_says_what_to_do(content: str | None, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    if content is not None:
        truth_path(clip).write_text(content)
    with pytest.raises(DataError, match="render the clip again"):
        ClipTruth.read(clip)
