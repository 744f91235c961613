"""What does not change while a process lives: board, system, libraries, configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from edgeclip.contract.gpu import find_gpu
from edgeclip.contract.hashing import sha256_bytes
from edgeclip_device.config import DeviceSettings
from edgeclip_device.machine.tree import Tree

_L4T = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")
_SERIAL_DIGITS = 16
_PLACE = {  # never leaves the device, not even as a hash: a place is soon guessed from that
    "location": {"latitude", "longitude", "uncertainty_m"},
    "power": {"latitude", "longitude"},
}


@dataclass(frozen=True)
class Identity:
    """The birth certificate's lasting part; None where unknown.

    Attributes:
        module: The board by its device tree.
        l4t: NVIDIA's system below JetPack, for example 36.4.3.
        serial_sha256: First digits of the hash of the board's serial number.
        config_sha256: Of the settings in use, but for coordinates.
    """

    module: str | None
    l4t: str | None
    serial_sha256: str | None
    config_sha256: str


def identify(tree: Tree, settings: DeviceSettings) -> Identity:
    """Return who this device is."""
    serial = tree.text("/sys/firmware/devicetree/base/serial-number")
    released = _L4T.search(tree.text("/etc/nv_tegra_release") or "")
    text = settings.model_dump_json(exclude=_PLACE)
    return Identity(
        module=tree.text("/sys/firmware/devicetree/base/model"),
        l4t=f"{released[1]}.{released[2]}" if released else None,
        serial_sha256=sha256_bytes(serial.encode())[:_SERIAL_DIGITS] if serial else None,
        config_sha256=sha256_bytes(text.encode()),
    )


def libraries() -> dict[str, str]:
    """Return the versions of what may run a graph on this machine; nothing is imported."""
    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt_rtx"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    gpu = find_gpu()
    if gpu is not None and gpu.cuda_version:
        found["cuda"] = gpu.cuda_version
    return found
