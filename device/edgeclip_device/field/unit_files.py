"""The files that an installation is made of: where they come from, and where they go."""

from __future__ import annotations

from pathlib import Path

from edgeclip.errors import SetupError

PROGRAM = "/opt/edgeclip/venv/bin/edgeclip-device"  # as the units name it
UNITS_FOLDER = "/etc/systemd/system"
PACKAGED_FOLDER = "/usr/lib/systemd/system"  # where the Debian package puts them

UNITS = {  # as it is called, and the file that it is made of
    "edgeclip-detect.service": "edgeclip-detect.service",
    "edgeclip-detect@.service": "edgeclip-detect.service",  # for a camera of its own
    "edgeclip-uplink.service": "edgeclip-uplink.service",
    "edgeclip-uplink@.service": "edgeclip-uplink.service",
    "edgeclip-apply@.service": "edgeclip-apply@.service",
    "edgeclip-apply@.path": "edgeclip-apply@.path",
}
SYSTEM_FILES = {
    "edgeclip.sysusers.conf": "/usr/lib/sysusers.d/edgeclip.conf",
    "edgeclip.tmpfiles.conf": "/usr/lib/tmpfiles.d/edgeclip.conf",
    "edgeclip.journald.conf": "/etc/systemd/journald.conf.d/edgeclip.conf",
}


def units_folder() -> Path:
    """Return where this software keeps its units: in the wheel, or beside the sources.

    Raises:
        SetupError: Neither is there.
    """
    inside = Path(__file__).parents[1] / "systemd"
    beside = Path(__file__).parents[3] / "systemd"
    for folder in (inside, beside):
        if (folder / "edgeclip-detect.service").is_file():
            return folder
    raise SetupError(f"the units are missing from {inside}: install edgeclip anew")


def unit_text(name: str, program: Path) -> str:
    """Return a unit's text, with this program in place of the usual one."""
    return (units_folder() / name).read_text().replace(PROGRAM, str(program))
