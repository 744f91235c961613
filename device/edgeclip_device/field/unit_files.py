"""The files that an installation is made of: where they come from, and where they go."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from edgeclip.errors import SetupError

PROGRAM = "/opt/edgeclip/venv/bin/edgeclip-device"  # as the units name it
UNITS_FOLDER = "/etc/systemd/system"
PACKAGED_FOLDER = "/usr/lib/systemd/system"  # where the Debian package puts them
CREDENTIALS_FOLDER = "/etc/edgeclip/credentials"

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
_EXAMPLE_ADDRESS = "192.168.1.64"  # of detect-rtsp.conf


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


def camera_drop_in(source: str | None) -> tuple[str, str] | None:
    """Return name and text of the drop-in that a camera needs, or None for USB and files.

    Args:
        source: `[camera].source`.
    """
    if source is None:
        return None
    if source.startswith(("rtsp://", "rtsps://")):
        text = (units_folder() / "detect-rtsp.conf").read_text()
        return "rtsp.conf", text.replace(_EXAMPLE_ADDRESS, _address(source))
    if source.lstrip().startswith(("csi://", "nvarguscamerasrc")):
        return "csi.conf", (units_folder() / "detect-csi.conf").read_text()
    return None


def credentials_drop_in(credentials: list[str]) -> str | None:
    """Return the drop-in that hands these credentials to the uplink, or None where there are none.

    Args:
        credentials: Names of files in /etc/edgeclip/credentials.
    """
    wanted = sorted(name for name in credentials if re.fullmatch(r"mqtt-[a-z-]+", name))
    if not wanted:
        return None
    lines = [f"LoadCredential={name}:{CREDENTIALS_FOLDER}/{name}" for name in wanted]
    return "\n".join(["# Made by `edgeclip-device install`.", "[Service]", *lines, ""])


def _address(url: str) -> str:
    """Return the camera's address; a name stays for the engineer to look up."""
    host = urlsplit(url).hostname or ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return _EXAMPLE_ADDRESS


def names_no_address(source: str | None) -> bool:
    """Say whether a network camera is given by name: systemd allows addresses alone."""
    if source is None or not source.startswith(("rtsp://", "rtsps://")):
        return False
    return _address(source) == _EXAMPLE_ADDRESS and _EXAMPLE_ADDRESS not in source
