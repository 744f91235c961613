from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import pytest

from edgeclip.scenes.clip_truth import ClipTruth
from support.commands import Run


@pytest.fixture
def clip(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Draws a clip in this process, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return partial(run, "data", "clip")


def test_a_clip_is_drawn_with_its_truth_beside_it(clip: Run, tmp_path: Path) -> None:
    done = clip("night.mp4", "--scene", "leopard-night", "--json")
    assert done.code == 0, done.err
    truth = ClipTruth.read(tmp_path / "night.mp4")
    assert json.loads(done.out)["visits"] == len(truth.visits) == 1
    video = cv2.VideoCapture(str(tmp_path / "night.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == len(truth.frames)


def test_a_scene_that_does_not_exist_lists_those_that_do(clip: Run, tmp_path: Path) -> None:
    done = clip("a.mp4", "--scene", "unicorn")
    assert done.code == 2
    assert "--scene 'unicorn' is not known: there are foliage, leopard-night" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_is_there_is_kept_unless_it_may_be_replaced(clip: Run, tmp_path: Path) -> None:
    kept = tmp_path / "mine.mp4"
    kept.write_bytes(b"mine")
    done = clip("mine.mp4", "--scene", "person")
    assert done.code == 2
    assert "mine.mp4 is there already: choose another name, or add --overwrite" in done.err
    assert kept.read_bytes() == b"mine"
    done = clip("mine.mp4", "--scene", "person", "--overwrite")
    assert done.code == 0, done.err
    assert len(ClipTruth.read(kept).visits) == 1


def test_a_file_that_is_no_video_is_refused(clip: Run) -> None:
    done = clip("a.txt", "--scene", "foliage")
    assert done.code == 2
    assert "name it .mp4 or .avi" in done.err
