"""`make demo` without its installation: from rendered images to the alert on the page."""

from __future__ import annotations

import json
import os
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
