from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

from edgeclip.contract.engine_key import Machine, Runtime
from edgeclip.contract.gpu import Gpu
from edgeclip.errors import SetupError
from edgeclip_export.board import Board
from edgeclip_export.preflight import Needs, preflight_checks, require

NANO = Gpu("Orin", "8.7", 8)
ENOUGH = Needs(memory_mb=100, disk_mb=1)


def _line(board: Board, needs: Needs, folder: Path, version: str = "10.3.0.30") -> str:
    """Return the error that a machine gives, or nothing."""
    machine = Machine.of("tensorrt", version, NANO)
    try:
        require(preflight_checks(machine, board, needs, folder))
    except SetupError as error:
        return str(error)
    return ""


def test_a_machine_that_has_all_passes(tmp_path: Path) -> None:
    assert _line(Board(7619, 4000), ENOUGH, tmp_path) == ""


def test_too_little_memory_is_said_with_both_sizes_and_what_to_do(tmp_path: Path) -> None:
    line = _line(Board(7619, 900), Needs(3620, 1), tmp_path)
    assert line.startswith("enough memory and swap: 900 MiB free, about 3620 needed: stop other")
    assert "add swap, or go on with --no-preflight" in line


def test_too_little_disk_is_said(tmp_path: Path) -> None:
    line = _line(Board(7619, 4000), Needs(1, 10**9), tmp_path)
    assert "about 1000000000 needed: delete what is not needed" in line


@pytest.mark.parametrize("version", ["8.6.2", "10.0.1", "12.0.0"])
def test_a_tensorrt_that_is_not_supported_is_refused(tmp_path: Path, version: str) -> None:
    line = _line(Board(7619, 4000), ENOUGH, tmp_path, version)
    assert line == f"tensorrt {version} is >=10.3,<12: install a version that is"


@pytest.mark.parametrize(
    ("version", "words"), [("10.3.0", "a wheel that cannot drive an Orin"), ("10.16.1", "")]
)
def test_a_wheel_on_a_jetson_is_refused_before_the_version_that_drives_an_orin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, words: str
) -> None:
    found = importlib.machinery.ModuleSpec("tensorrt_libs", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: found)
    line = _line(Board(7619, 4000, is_jetson=True), ENOUGH, tmp_path, version)
    assert words in line
    assert bool(line) is bool(words)
    assert _line(Board(7619, 4000), ENOUGH, tmp_path, version) == ""


def test_a_machine_that_is_no_jetson_hears_nothing_of_one(tmp_path: Path) -> None:
    machine = Machine.of("tensorrt", "10.3.0.30", NANO)
    here, jetson = (
        preflight_checks(machine, Board(7619, 4000, is_jetson=each), ENOUGH, tmp_path)
        for each in (False, True)
    )
    assert {check.name for check in jetson} - {check.name for check in here} == {
        "TensorRT can drive an Orin"
    }


def test_the_power_mode_is_stated_and_judges_nothing(tmp_path: Path) -> None:
    machine = Machine.of("tensorrt", "10.3.0.30", NANO)
    checks = preflight_checks(machine, Board(7619, 4000, "15W"), ENOUGH, tmp_path)
    assert checks[-1].line() == "- power mode  15W"


@pytest.mark.parametrize(("runtime", "memory"), [("tensorrt", 3612), ("tensorrt_rtx", 2312)])
def test_a_base_sized_encoder_takes_what_was_measured_and_reported(
    runtime: Runtime, memory: int
) -> None:
    needs = Needs.of(Machine.of(runtime, "1", None), weights_mb=175, workspace_mb=512)
    assert needs == Needs(memory, 414)


@pytest.mark.parametrize(
    ("capability", "runs"), [("8.6", True), ("8.9", True), ("12.0", True), ("9.0", False)]
)
def test_a_gpu_on_which_tensorrt_rtx_loads_no_engine_is_refused_before_the_build(
    tmp_path: Path, capability: str, runs: bool
) -> None:
    machine = Machine.of("tensorrt_rtx", "1.7.1", Gpu("H100", capability, 132))
    checks = preflight_checks(machine, Board(7619, 4000), ENOUGH, tmp_path)
    if runs:
        require(checks)
        return
    with pytest.raises(SetupError, match=r"H100, compute capability 9\.0: .*edgeclip\[gpu\]"):
        require(checks)


def test_without_a_gpu_no_capability_is_asked_for(tmp_path: Path) -> None:
    machine = Machine.of("tensorrt_rtx", "1.7.1", None)
    require(preflight_checks(machine, Board(7619, 4000), ENOUGH, tmp_path))
