from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeclip_device.field_settings import HealthSettings
from edgeclip_device.machine import disks, memory, power, thermal
from edgeclip_device.machine.tegrastats import ToolReading, ask, parse_tegrastats
from edgeclip_device.machine.telemetry import read_telemetry
from edgeclip_device.machine.tree import Tree
from support.machines import orin, put

LINE = (
    "11-26-2026 22:00:00 RAM 2448/7620MB (lfb 7x4MB) SWAP 0/3810MB (cached 0MB) CPU [3%@729,0%@729]"
    " EMC_FREQ 0% GR3D_FREQ 0% cpu@46.1C soc2@45.3C gpu@44.3C tj@46.5C"
    " VDD_IN 4970mW/4970mW VDD_CPU_GPU_CV 663mW/663mW VDD_SOC 1445mW/1445mW"
)


def test_rails_are_read_by_their_label(tmp_path: Path) -> None:
    found = power.rails(orin(tmp_path))
    assert power.board_watts(found) == 6.0
    assert power.volts_of(found, "battery") == 12.6
    assert power.watts_of(found, "solar") is None


def test_a_channel_without_current_has_no_power(tmp_path: Path) -> None:
    (rail,) = [r for r in power.rails(orin(tmp_path)) if r.label == "sum of shunt voltages"]
    assert (rail.volts, rail.watts) == (None, None)


def test_the_power_mode_is_named_and_not_numbered(tmp_path: Path) -> None:
    tree = orin(tmp_path)
    assert power.power_mode(tree) == "15W"
    assert power.power_modes(tree) == ["MAXN_SUPER", "15W", "25W"]
    put(tmp_path, "/var/lib/nvpmodel/status", "pmode:0007\n")
    assert power.power_mode(tree) is None


def test_over_current_events_are_summed(tmp_path: Path) -> None:
    tree = orin(tmp_path)
    assert power.overcurrent_events(tree) == 0
    put(tmp_path, "/sys/class/hwmon/hwmon2/oc2_event_cnt", "5\n")
    assert power.overcurrent_events(tree) == 5


def test_a_battery_of_the_kernel_is_read_where_no_channel_has_its_label(tmp_path: Path) -> None:
    put(tmp_path, "/sys/class/power_supply/AC/type", "Mains\n")
    put(tmp_path, "/sys/class/power_supply/BAT0/type", "Battery\n")
    put(tmp_path, "/sys/class/power_supply/BAT0/voltage_now", "12100000\n")
    assert power.battery_volts(Tree(tmp_path)) == 12.1


def test_the_junction_counts_and_a_sensor_that_is_off_does_not(tmp_path: Path) -> None:
    assert thermal.junction_c(orin(tmp_path)) == 51.2


def test_without_a_junction_zone_the_hottest_counts(tmp_path: Path) -> None:
    put(tmp_path, "/sys/class/thermal/thermal_zone0/temp", "40000\n")
    put(tmp_path, "/sys/class/thermal/thermal_zone1/temp", "61000\n")
    assert thermal.junction_c(Tree(tmp_path)) == 61.0


def test_a_fan_is_no_throttling_and_a_slowed_processor_is(tmp_path: Path) -> None:
    tree = orin(tmp_path)
    assert thermal.throttled(tree) is False
    put(tmp_path, "/sys/class/thermal/cooling_device1/cur_state", "3\n")
    assert thermal.throttled(tree) is True


@pytest.mark.parametrize(
    ("text", "used"), [("0x01 0x02", 20.0), ("0x0b 0x01", 100.0), ("0x00 0x00", None), ("?", None)]
)
def test_the_wear_of_a_card_is_read_where_it_tells(
    tmp_path: Path, text: str, used: float | None
) -> None:
    device = tmp_path.stat().st_dev
    name = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/device/life_time"
    put(tmp_path, name, text + "\n")
    assert disks.wear_pct(Tree(tmp_path), tmp_path) == used


def test_what_was_written_is_counted_in_sectors_of_512_bytes(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    name = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
    put(tmp_path, name, "  10 0 80 5  20 0 2000 9 0 0 0\n")
    assert disks.written_bytes(Tree(tmp_path), tmp_path) == 2000 * 512


@pytest.mark.parametrize(
    ("free_gb", "size_gb", "low"),
    [(1.0, 100.0, True), (6.0, 100.0, False), (0.3, 4.0, True), (0.6, 4.0, False)],
)
def test_a_disk_is_low_below_the_larger_of_2_gib_and_5_percent_or_a_tenth_of_a_small_one(
    free_gb: float, size_gb: float, low: bool
) -> None:
    space = disks.DiskSpace(round(free_gb * 1e9), round(size_gb * 1e9), is_read_only=False)
    assert space.is_low is low


def test_the_real_machine_is_read_too(tmp_path: Path) -> None:
    space = disks.disk_space(tmp_path)
    assert space is not None
    assert 0 < space.free_bytes <= space.size_bytes
    assert (memory.resident_mb(Tree()) or 0) > 5
    assert (memory.available_mb(Tree()) or 0) > 5


def test_an_empty_machine_knows_nothing_and_fails_nowhere(tmp_path: Path) -> None:
    found = read_telemetry(Tree(tmp_path), tmp_path / "none", HealthSettings(tool="none"))
    assert found.uptime_s > 0
    unknown = {name: value for name, value in vars(found).items() if name != "uptime_s"}
    assert set(unknown.values()) == {None}


def test_a_tool_that_its_sandbox_makes_mute_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "/bin/tegrastats", "#!/bin/sh\nexit 1\n").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    assert [ask("tegrastats"), ask("tegrastats")] == [ToolReading()] * 2
    assert caplog.text.count("tegrastats is there and says nothing") == 1


def test_a_line_of_tegrastats_is_understood() -> None:
    assert parse_tegrastats(LINE) == ToolReading(46.5, 4.97, 5172.0)
    assert parse_tegrastats("nonsense") == ToolReading()


def test_tegrastats_is_asked_for_what_the_files_do_not_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = put(tmp_path, "/bin/tegrastats", f"#!/bin/sh\necho '{LINE}'\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    found = read_telemetry(Tree(tmp_path), tmp_path, HealthSettings(tool="tegrastats"))
    assert (found.junction_c, found.board_w, found.available_mb) == (46.5, 4.97, 5172.0)


def test_tools_that_are_absent_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [ask("none"), ask("tegrastats"), ask("jtop")] == [ToolReading()] * 3
