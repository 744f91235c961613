from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2

from edgeclip.scenes.clip_truth import ClipTruth


def _clip(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeclip.cli", "data", "clip", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_clip_is_drawn_with_its_truth_beside_it(tmp_path: Path) -> None:
    done = _clip("night.mp4", "--scene", "leopard-night", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    truth = ClipTruth.read(tmp_path / "night.mp4")
    assert json.loads(done.stdout)["visits"] == len(truth.visits) == 1
    video = cv2.VideoCapture(str(tmp_path / "night.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == len(truth.frames)


def test_a_scene_that_does_not_exist_lists_those_that_do(tmp_path: Path) -> None:
    done = _clip("a.mp4", "--scene", "unicorn", cwd=tmp_path)
    assert done.returncode == 2
    assert "--scene 'unicorn' is not known: there are foliage, leopard-night" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_is_there_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    kept = tmp_path / "mine.mp4"
    kept.write_bytes(b"mine")
    done = _clip("mine.mp4", "--scene", "person", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine.mp4 is there already: choose another name, or add --overwrite" in done.stderr
    assert kept.read_bytes() == b"mine"
    done = _clip("mine.mp4", "--scene", "person", "--overwrite", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(ClipTruth.read(kept).visits) == 1


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    done = _clip("a.txt", "--scene", "foliage", cwd=tmp_path)
    assert done.returncode == 2
    assert "name it .mp4 or .avi" in done.stderr
