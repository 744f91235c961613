"""Rules about the sources themselves that no tool checks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("edgeclip", "export", "device", "dashboard")
PROGRAMS = ("scripts", "benchmarks", "examples", "tests")
SOURCES = [path for folder in FOLDERS + PROGRAMS for path in sorted((ROOT / folder).rglob("*.py"))]
MOST_LINES = 300


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_one_job_and_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_no_module_is_called_utils_or_common() -> None:
    assert [p for p in SOURCES if p.stem in {"utils", "common", "core", "helpers", "misc"}] == []


def test_open_clip_paho_and_tensorrt_are_imported_only_where_they_are_wrapped() -> None:
    allowed = {
        "open_clip": {"edgeclip/clip.py"},
        "paho": {
            "dashboard/edgeclip_dashboard/mqtt.py",
            "benchmarks/fleet_case/devices.py",  # the far end of the link
            "dashboard/edgeclip_dashboard/mqtt_client.py",
            "device/edgeclip_device/mqtt.py",
        },
        "tensorrt": {
            "edgeclip/contract/engine_runner.py",
            "export/edgeclip_export/tensorrt_runtime.py",
        },
    }
    for library, homes in allowed.items():
        pattern = re.compile(rf"^\s*(import|from) {library}\b", re.MULTILINE)
        found = {
            str(path.relative_to(ROOT))
            for path in SOURCES
            if "tests" not in path.parts and pattern.search(path.read_text())
        }
        assert found <= homes, library


def test_the_constraints_name_no_index() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|--index|--extra-index|--find-links|@", text)


def test_no_file_in_the_repository_is_larger_than_twelve_megabytes() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert [p.name for p in files if p.is_file() and p.stat().st_size > 12_000_000] == []
