"""The units as systemd itself judges them; scores as `systemd-analyze security` gives them."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from edgeclip_device.cli import app

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ["edgeclip-detect.service", "edgeclip-uplink.service"]
HIGHEST_SCORE = 2.0  # 0 is safest; usual services stand above 9


class _Unit(dict[str, list[str]]):
    """Settings of a unit by name, in order; a name may stand more than once."""

    def __init__(self, name: str) -> None:
        super().__init__()
        for line in (UNITS / name).read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                key, value = line.split("=", 1)
                self.setdefault(key, []).append(value)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A root folder with the units, and a program where they look for it."""
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(UNITS / name, units / name)
    program = tmp_path / "opt/edgeclip/venv/bin/edgeclip-device"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


@pytest.mark.systemd
@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    program = tmp_path / "edgeclip-device"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / name
    text = (UNITS / name).read_text()
    unit.write_text(text.replace("/opt/edgeclip/venv/bin/edgeclip-device", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.systemd
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_closed_so_far_as_its_work_allows(name: str, installed: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--root={installed}", "--no-pager", name],
        capture_output=True,
        text=True,
        check=False,
    )
    match = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    assert float(match.group(1)) <= HIGHEST_SCORE


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_starts_a_command_that_exists(name: str) -> None:
    (line,) = _Unit(name)["ExecStart"]
    program, command, option, path = line.split()
    assert Path(program).name == "edgeclip-device"
    assert command in get_command(app).commands  # type: ignore[attr-defined]  # a typer group
    assert (option, path) == ("--config", "/etc/edgeclip/device.toml")


def test_the_detector_has_no_network_and_the_uplink_no_devices() -> None:
    detect, uplink = _Unit(NAMES[0]), _Unit(NAMES[1])
    assert detect["PrivateNetwork"] == ["yes"]
    assert detect["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert uplink["PrivateDevices"] == ["yes"]


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_never_gives_up_and_is_watched(name: str) -> None:
    unit = _Unit(name)
    assert unit["Type"] == ["notify"]
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["WatchdogSec"] == ["60"]


def test_what_would_break_cuda_is_not_set_on_the_detector() -> None:
    unit = _Unit(NAMES[0])
    forbidden = {"PrivateDevices", "PrivateUsers", "ProcSubset", "MemoryDenyWriteExecute"}
    assert not forbidden & set(unit)


def test_users_and_folders_belong_to_the_group_that_the_units_run_in() -> None:
    users = (UNITS / "sysusers.d/edgeclip.conf").read_text()
    folders = (UNITS / "tmpfiles.d/edgeclip.conf").read_text()
    for name in NAMES:
        unit = _Unit(name)
        assert f"u {unit['User'][0]} " in users
        assert f"m {unit['User'][0]} {unit['Group'][0]}" in users
        assert f"d {unit['ReadWritePaths'][0]} 2770 root {unit['Group'][0]}" in folders


@pytest.mark.parametrize("path", sorted(UNITS.rglob("*.example")), ids=lambda path: path.name)
def test_a_drop_in_is_a_unit_file_of_one_section(path: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(path.read_text())
    assert parser.sections() == ["Service"]
