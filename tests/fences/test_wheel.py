"""The wheel holds the four packages and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"edgeclip", "edgeclip_dashboard", "edgeclip_device", "edgeclip_export"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_the_wheel_holds_the_four_packages_and_nothing_else(names: list[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_says_that_it_is_typed(names: list[str], package: str) -> None:
    assert f"{package}/py.typed" in names


@pytest.mark.parametrize(
    "name",
    [
        "edgeclip/backbones/demo/demo.safetensors",
        "edgeclip/backbones/demo/demo.json",
        "edgeclip/backbones/demo/meta.safetensors",
        "edgeclip/contract/schemas/detection-1.json",
        "edgeclip_device/systemd/edgeclip-detect.service",
    ],
)
def test_the_wheel_carries_what_is_read_at_run_time(names: list[str], name: str) -> None:
    assert name in names


def test_nothing_in_the_wheel_can_run_on_loading(names: list[str]) -> None:
    assert [name for name in names if name.endswith((".pt", ".pkl", ".pickle", ".bin"))] == []
