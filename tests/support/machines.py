"""Machines in a folder: the small files of a Jetson Orin NX, in the shape of JetPack 6."""

from __future__ import annotations

from pathlib import Path

from edgeclip_device.machine.tree import Tree

NVPMODEL = """\
< PARAM TYPE=FILE NAME=CPU_ONLINE >
< POWER_MODEL ID=0 NAME=MAXN_SUPER >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=2 NAME=15W >
< POWER_MODEL ID=3 NAME=25W >
"""


def put(root: Path, name: str, text: str | bytes) -> Path:
    """Write one small file of a machine."""
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def orin(root: Path) -> Tree:
    """Return an Orin NX that takes 6 W in mode 15W, at 51 degrees, never throttled."""
    hwmon = "/sys/class/hwmon/hwmon1"
    for number, (label, millivolts, milliamperes) in enumerate(
        [("VDD_IN", 5000, 1200), ("VDD_CPU_GPU_CV", 5000, 240), ("battery", 12_600, 800)], start=1
    ):
        put(root, f"{hwmon}/in{number}_label", label + "\n")
        put(root, f"{hwmon}/in{number}_input", f"{millivolts}\n")
        put(root, f"{hwmon}/curr{number}_input", f"{milliamperes}\n")
    put(root, f"{hwmon}/in7_label", "sum of shunt voltages\n")
    for number in (1, 2, 3):
        put(root, f"/sys/class/hwmon/hwmon2/oc{number}_event_cnt", "0\n")
    _heat(root)
    put(root, "/etc/nvpmodel.conf", NVPMODEL)
    put(root, "/var/lib/nvpmodel/status", "pmode:0002\n")
    put(root, "/proc/meminfo", "MemTotal: 7800000 kB\nMemAvailable:   4000000 kB\n")
    put(root, "/sys/firmware/devicetree/base/model", b"NVIDIA Jetson Orin NX\0")
    put(root, "/sys/firmware/devicetree/base/serial-number", b"1421223000000\0")
    put(root, "/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081\n")
    return Tree(root)


def _heat(root: Path) -> None:
    zones = "/sys/class/thermal/thermal_zone"
    put(root, f"{zones}0/type", "cpu-thermal\n")
    put(root, f"{zones}0/temp", "52000\n")
    put(root, f"{zones}1/type", "tj-thermal\n")
    put(root, f"{zones}1/temp", "51250\n")
    put(root, f"{zones}2/type", "cv0-thermal\n")
    put(root, f"{zones}2/temp", "-256000\n")  # switched off
    put(root, "/sys/class/thermal/cooling_device0/type", "pwm-fan\n")
    put(root, "/sys/class/thermal/cooling_device0/cur_state", "2\n")
    put(root, "/sys/class/thermal/cooling_device1/type", "cpufreq-cpu0\n")
    put(root, "/sys/class/thermal/cooling_device1/cur_state", "0\n")
