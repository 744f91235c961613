from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip_export.board import Board, free_disk_mb, read_board
from edgeclip_export.config import BuilderSettings, EngineConfig

MEMORY = "MemTotal:        7802300 kB\nMemAvailable:    4194304 kB\nSwapFree:        2097152 kB\n"
MODES = (
    "# < POWER_MODEL ID=id_num NAME=mode_name >\n"
    "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The file system of an 8 GB module with JetPack."""
    for name, text in {
        "proc/meminfo": MEMORY,
        "etc/nvpmodel.conf": MODES,
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3",
        "var/lib/nvpmodel/status": "pmode:0002",
        "proc/device-tree/model": "NVIDIA Jetson Orin NX\0",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_jetson_is_known_by_its_files_and_its_power_mode_by_name(root: Path) -> None:
    board = read_board(root)
    assert board == Board(7619, 4096 + 2048, "MAXN_SUPER", True, "NVIDIA Jetson Orin NX")
    assert board.is_small


@pytest.mark.parametrize("status", ["", "pmode:0007", "rubbish"])
def test_a_power_mode_that_cannot_be_read_is_empty(root: Path, status: str) -> None:
    (root / "var/lib/nvpmodel/status").write_text(status)
    assert read_board(root).power_mode == ""


def test_a_machine_without_any_of_these_files_is_no_jetson(tmp_path: Path) -> None:
    assert read_board(tmp_path) == Board(0, 0)


def test_the_machine_of_this_test_has_memory() -> None:
    board = read_board()
    assert board.memory_mb > 0
    assert board.free_mb > 0


def test_free_disk_is_asked_where_a_folder_is_still_to_be_made(tmp_path: Path) -> None:
    assert free_disk_mb(tmp_path / "not" / "yet") > 0


def test_a_small_board_gets_little_workspace_and_no_further_streams() -> None:
    small, large = Board(7619, 4000), Board(30_000, 20_000)
    config = EngineConfig()
    assert BuilderSettings.for_board(config, small) == BuilderSettings(512, 3, 0)
    assert BuilderSettings.for_board(config, large) == BuilderSettings(1024, 3, None)


def test_options_go_over_what_the_board_gives() -> None:
    config = EngineConfig(workspace_mb=256, fast=True)
    assert BuilderSettings.for_board(config, Board(7619, 4000)) == BuilderSettings(256, 1, 0)
