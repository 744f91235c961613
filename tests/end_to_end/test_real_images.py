"""Real images, a real encoder, a real clip: the whole chain as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.brokers import running_broker
from support.dashboards import PROJECT, eventually, running_dashboard

BIN = Path(sys.executable).parent
CLIP = "zamba/videos/my_videos/ACP0006s6f-small-cat.mp4"


def _run(command: str, *words: object, cwd: Path) -> dict[str, Any]:
    done = subprocess.run(
        [str(BIN / command), *map(str, words), "--json"],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.broker
@pytest.mark.real_data
@pytest.mark.real_weights
@pytest.mark.slow
def test_real_images_end_with_a_bundle_that_publishes_what_it_sees_in_a_real_clip(
    real_data: Path, real_weights: Path, tmp_path: Path
) -> None:
    weights = real_weights / "bootstrap-clip.safetensors"
    encoder = ("--backbone", real_weights / "bootstrap-clip.json", "--pretrained", weights)
    cats = ("--class", "spotted cat=jaguar,leopard_cat,leopard,ocelot", "--class", "blank=empty")
    training = _run(
        "edgeclip",
        *("train", "--data", real_data / "manifest.csv", *cats, *encoder, "--out", "pack"),
        *("--views", 1, "--folds", 2, "--budget-minutes", 0, "--cache", tmp_path / "features"),
        cwd=tmp_path,
    )
    metrics = training["metrics"]
    target = "spotted cat/average_precision"
    assert metrics[f"test/adapter/{target}"] >= metrics[f"test/zero-shot/{target}"]
    assert (tmp_path / "pack/report/index.html").stat().st_size > 10_000

    _run("edgeclip-export", "bundle", "--pack", "pack", "--out", "bundle", *encoder, cwd=tmp_path)
    with (
        running_broker(tmp_path / "broker") as broker,
        running_dashboard(tmp_path / "dashboard", broker.url) as dashboard,
    ):
        dashboard.wait_online()
        result = _run(
            "edgeclip-device",
            *("replay", real_data / CLIP, "--bundle", "bundle", "--broker", broker.url),
            *("--project", PROJECT, "--state", "state"),
            cwd=tmp_path,
        )
        assert result["gate"]["frames"] >= 70
        assert result["counts"]["classified"] >= 1
        assert result["counts"]["failures"] == 0
        assert result["is_delivered"]
        assert result["counts"]["detections"] == len(result["detections"])
        seen = {row["detection"]["detection_id"] for row in result["detections"]}
        eventually(
            lambda: {row["detection_id"] for row in dashboard.detections()} == seen,
            what="the page shows what was seen",
        )
