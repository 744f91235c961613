from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from edgeclip_device.cli import app
from edgeclip_device.clock import BOOT_ID_VARIABLE
from edgeclip_device.field.requests import FOLDER
from edgeclip_device.field.unit_files import UNITS as UNIT_FILES

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = ["edgeclip-detect.service", "edgeclip-uplink.service"]
OF_A_CAMERA = ["edgeclip-detect@.service", "edgeclip-uplink@.service"]
APPLY = "edgeclip-apply@.service"
APPLY_PATH = "edgeclip-apply@.path"
DROP_INS = ["detect-csi.conf", "detect-rtsp.conf"]
OF_THE_UPLINK = ["uplink-tegrastats.conf", "uplink-jtop.conf"]
MOST_EXPOSED = "20"  # in tenths: 2.0


def _installed(folder: Path, unit: str) -> Path:
    """Copy a unit, whose program then is one that exists here, and return its new path."""
    text = (UNITS / UNIT_FILES.get(unit, unit)).read_text()
    path = folder / unit.replace("@.", "@north.")
    path.write_text(text.replace("/opt/edgeclip/venv/bin/edgeclip-device", sys.executable))
    return path


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.systemd
@pytest.mark.parametrize("unit", [*SERVICES, *OF_A_CAMERA, APPLY])
def test_a_unit_is_valid(tmp_path: Path, unit: str) -> None:
    done = _analyze("verify", "--man=no", str(_installed(tmp_path, unit)))
    ours = [line for line in done.stderr.splitlines() if "edgeclip" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.systemd
def test_a_mistake_in_a_unit_would_be_found(tmp_path: Path) -> None:
    path = _installed(tmp_path, SERVICES[0])
    path.write_text(path.read_text().replace("WatchdogSec=60", "WatchdogSeconds=60"))
    assert "Unknown key 'WatchdogSeconds'" in _analyze("verify", str(path)).stderr


@pytest.mark.systemd
@pytest.mark.parametrize(
    ("unit", "drop_in"),
    [
        *((unit, None) for unit in (*SERVICES, APPLY)),
        *((SERVICES[0], name) for name in DROP_INS),
        *((SERVICES[1], name) for name in OF_THE_UPLINK),
    ],
)
def test_a_unit_is_exposed_by_two_tenths_at_most(
    tmp_path: Path, unit: str, drop_in: str | None
) -> None:
    merged = tmp_path / unit
    parts = [UNITS / unit, *([UNITS / drop_in] if drop_in else [])]
    merged.write_text("\n".join(part.read_text() for part in parts))  # later settings go over
    done = _analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(merged))
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.systemd
def test_the_path_that_waits_for_a_request_is_valid(tmp_path: Path) -> None:
    _installed(tmp_path, APPLY)
    path = tmp_path / "edgeclip-apply@north.path"
    path.write_text((UNITS / APPLY_PATH).read_text())
    done = _analyze("verify", "--man=no", str(path))
    ours = [line for line in done.stderr.splitlines() if "edgeclip" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("unit", SERVICES)
def test_a_camera_of_its_own_has_folders_of_its_own(unit: str) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)
    assert "/etc/edgeclip/%i/device.toml" in line
    assert "/var/lib/edgeclip/%i" in line


def test_the_uplink_never_waits_for_detect_whose_camera_may_be_missing() -> None:
    (after,) = [line for line in _settings(SERVICES[1]) if line.startswith("After=")]
    assert "edgeclip-detect" not in after


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_may_ask_the_kernel_for_the_clock_and_not_set_it(unit: str) -> None:
    settings = _settings(unit)
    filters = [line for line in settings if line.startswith("SystemCallFilter=")]
    assert filters[-1] == "SystemCallFilter=adjtimex clock_adjtime"
    assert "CapabilityBoundingSet=" in settings
    assert "ProtectClock=yes" not in settings  # it would forbid the question, too


@pytest.mark.parametrize("unit", [*SERVICES, APPLY])
def test_a_unit_that_hides_proc_is_told_the_boot_id(unit: str) -> None:
    settings = _settings(unit)
    assert ("ProcSubset=pid" in settings) is (f"Environment={BOOT_ID_VARIABLE}=%b" in settings)


def test_apply_watches_where_requests_are_laid() -> None:
    assert f"PathExists={FOLDER}/%i" in _settings(APPLY_PATH)
    folders = (UNITS / "edgeclip.tmpfiles.conf").read_text().split("\n")
    assert ["d", str(FOLDER), "2770", "root", "edgeclip", "-"] in map(str.split, folders)


def test_the_journal_is_bounded_in_size_and_rate() -> None:
    settings = (UNITS / "edgeclip.journald.conf").read_text()
    assert {"SystemMaxUse", "RateLimitBurst"} <= set(re.findall(r"^(\w+)=", settings, re.MULTILINE))
    for unit in SERVICES:
        assert "LogRateLimitBurst=300" in _settings(unit)


@pytest.mark.parametrize("unit", [*SERVICES, APPLY])
def test_a_unit_starts_a_command_that_exists_with_options_that_it_takes(unit: str) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)
    _, command, *arguments = shlex.split(line)
    known = get_command(app).commands[command]  # type: ignore[attr-defined]  # a group's
    options = {name for parameter in known.params for name in parameter.opts}
    assert {item for item in arguments if item.startswith("--")} <= options


def test_both_users_and_their_group_are_made() -> None:
    text = (UNITS / "edgeclip.sysusers.conf").read_text()
    for unit in SERVICES:
        user = re.findall(r"^User=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)
        assert re.search(rf"^u {user[0]} ", text, re.MULTILINE)
    assert re.search(r"^g edgeclip ", text, re.MULTILINE)


@pytest.mark.systemd
def test_the_users_can_be_made_by_systemd(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "edgeclip.sysusers.conf")],
        check=True,
        capture_output=True,
    )
    groups = {
        line.split(":")[0]: line.split(":")[2]
        for line in (tmp_path / "etc/group").read_text().splitlines()
    }
    users = [line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    assert {user[0]: user[3] for user in users} == {
        "edgeclip-detect": groups["edgeclip"],
        "edgeclip-uplink": groups["edgeclip"],
    }


def _settings(unit: str) -> list[str]:
    """Return the lines of a unit that say something."""
    lines = (UNITS / unit).read_text().splitlines()
    return [line for line in lines if "=" in line and not line.startswith("#")]


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_never_gives_up_and_is_watched(unit: str) -> None:
    expected = {"Type=notify", "Restart=always", "StartLimitIntervalSec=0", "WatchdogSec=60"}
    assert expected <= set(_settings(unit))


@pytest.mark.parametrize("unit", SERVICES)
def test_the_outbox_is_the_one_place_to_write_and_the_groups(unit: str) -> None:
    assert {"ReadWritePaths=/var/lib/edgeclip", "Group=edgeclip"} <= set(_settings(unit))
    folders = (UNITS / "edgeclip.tmpfiles.conf").read_text().split("\n")
    assert ["d", "/var/lib/edgeclip", "2770", "root", "edgeclip", "-"] in map(str.split, folders)


def test_what_would_break_cuda_is_not_set_on_detect() -> None:
    keys = {line.split("=")[0] for line in _settings(SERVICES[0])}
    forbidden = {"PrivateDevices", "PrivateUsers", "ProcSubset", "MemoryDenyWriteExecute"}
    assert not forbidden & keys


def test_detect_has_no_network_and_uplink_no_devices() -> None:
    detect, uplink = (_settings(unit) for unit in SERVICES)
    assert {"PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX"} <= set(detect)
    assert "PrivateDevices=yes" in uplink


def test_every_file_stands_in_the_readme() -> None:
    text = (UNITS / "README.md").read_text()
    assert [p.name for p in UNITS.iterdir() if p.name != "README.md" and p.name not in text] == []
