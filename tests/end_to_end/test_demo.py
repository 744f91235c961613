"""`make demo` without its installation: from rendered images to the alert on the page."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples/demo.py"


def _demo(*arguments: object, columns: str = "200") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(DEMO), *map(str, arguments)]
    environment = os.environ | {"COLUMNS": columns}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.browser
def test_the_demo_ends_with_the_leopard_on_the_page_and_no_alarm_from_foliage(
    tmp_path: Path,
) -> None:
    out = tmp_path / "demo"
    done = _demo("--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All that was expected arrived, and nothing else." in done.stdout
    assert "foliage: detections" in done.stdout
    assert "leopard-night: from frame to page" in done.stdout
    assert (out / "live.png").stat().st_size > 10_000
    assert (out / "pack/report/index.html").exists()
    assert json.loads((out / "bundle/manifest.json").read_text())["base"]["arch"] == "demo"


def test_the_demo_never_empties_a_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    done = _demo("--out", tmp_path)
    assert done.returncode == 2
    assert "holds files that are not a demo's: name another --out" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_the_demo_s_table_has_a_dash_where_zero_shot_calls_nothing() -> None:
    metrics = {"f1": 0.8, "precision": 0.9, "recall": 0.7}
    scores = {f"test/adapter/leopard/{name}": value for name, value in metrics.items()}
    scores |= {"test/zero-shot/leopard/f1": 0.0, "test/zero-shot/leopard/recall": 0.0}
    parity = {"one_minus_cosine": 1e-7, "logits": 1e-5, "probabilities": 1e-6}
    told = runpy.run_path(str(DEMO.with_name("demo_result.py")), run_name="demo_result")
    result = told["Result"](scores, parity)
    assert [str(cell) for cell in result.table().columns[1].cells][:2] == [
        "precision -, recall 0.00, f1 0.00", "precision 0.90, recall 0.70, f1 0.80",
    ]  # fmt: skip
    assert result.problems() == []
    del scores["test/adapter/leopard/f1"]
    assert result.problems() == ["the adapter is not better than zero-shot on held-out places"]
