from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks._prompts_data import Images
from benchmarks.prompts import labels_for
from edgeclip.features import Features


def test_labels_are_interpolated_by_their_logarithm() -> None:
    shots, curve = (1, 2, 4), (0.2, 0.4, 0.6)
    assert labels_for(0.4, shots, curve) == 2
    assert labels_for(0.5, shots, curve) == pytest.approx(2**1.5, abs=0.05)
    assert labels_for(0.1, shots, curve) == 1
    assert labels_for(0.61, shots, curve) is None


def test_what_fell_back_later_counts_where_it_was_reached_first() -> None:
    assert labels_for(0.5, (1, 2, 4), (0.4, 0.6, 0.45)) == pytest.approx(2**0.5, abs=0.05)


@pytest.fixture
def images() -> Images:
    """Nine images, three a class, of two regions with two views each."""
    rows = np.arange(36)
    features = Features(rows[:, None].astype(np.float32), rows[:, None].astype(np.float32))
    return Images(features, rows // 12, rows // 4, rows // 2, ["A"] * 36)


def test_a_label_is_an_image_with_all_that_is_seen_of_it(images: Images) -> None:
    rows = images.drawn(1, seed=3)
    assert rows.classes.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert len(np.unique(rows.origins)) == 6
    assert rows.images_a_class == 2


def test_more_labels_hold_those_of_fewer(images: Images) -> None:
    fewer, more = (set(images.drawn(shots, seed=3).origins.tolist()) for shots in (1, 2))
    assert fewer < more
    with pytest.raises(ValueError, match="leopard has 3 images of 4"):
        images.drawn(4, seed=3)


def test_the_benchmark_runs_and_writes_the_table(tmp_path: Path) -> None:
    out = tmp_path / "prompts.json"
    command = [sys.executable, "-m", "benchmarks.prompts", "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "labels a class that reach it" in done.stdout
    results = json.loads(out.read_text())
    assert results["labels_a_class"] == [1, 2]
    assert set(results["methods"]) == {"prompts only", "adapters only", "both"}
    assert all(0 <= value <= 1 for own in results["methods"].values() for value in own["ap"])
