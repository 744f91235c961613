"""Drop-ins of the units: what a camera needs, and which credentials are handed over.

They are made for the device itself, and for each camera of its own (/etc/edgeclip/NAME).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from edgeclip_device.config import DeviceSettings, load_settings
from edgeclip_device.credentials import KEY_CREDENTIAL
from edgeclip_device.field.steps import System
from edgeclip_device.field.unit_files import UNITS_FOLDER, units_folder

CONFIG_FOLDER = "/etc/edgeclip"
_CONFIG_FILE = "device.toml"
_CREDENTIALS = "credentials"
_EXAMPLE_ADDRESS = "192.168.1.64"  # of detect-rtsp.conf
_ADDRESS = re.compile(r"^(IPAddressAllow=).*$", re.MULTILINE)
_KINDS = {"detect": "camera", "uplink": "mqtt"}  # whose credentials go to whom


@dataclass(frozen=True)
class Instance:
    """A device: the first has no name, any other is a camera of its own.

    Attributes:
        name: Of its folder in /etc/edgeclip; empty for the first.
    """

    name: str = ""

    @property
    def folder(self) -> str:
        """Its configuration's folder."""
        return f"{CONFIG_FOLDER}/{self.name}".rstrip("/")

    def unit(self, job: str) -> str:
        """Return the unit that does a job for it."""
        return f"edgeclip-{job}{'@' + self.name if self.name else ''}.service"


def cameras_of_their_own(system: System) -> list[Instance]:
    """Return the devices beside the first: each folder in /etc/edgeclip with a configuration."""
    files = system.at(CONFIG_FOLDER).glob(f"*/{_CONFIG_FILE}")
    return [Instance(path.parent.name) for path in sorted(files)]


def put_drop_ins(system: System, instance: Instance) -> DeviceSettings:
    """Make the drop-ins of one device, remove those that it needs no more; return its settings.

    Raises:
        ConfigError: Its configuration is wrong.
        SetupError: A file cannot be written.
    """
    settings = load_settings(system.at(f"{instance.folder}/{_CONFIG_FILE}"), {})
    _put_camera(system, instance, settings.camera.source)
    _put_tool(system, instance, settings.health.tool)
    for job, kind in _KINDS.items():
        files = _credentials(system, instance, kind)
        if kind == "mqtt" and settings.mqtt.key_file is not None:
            files.setdefault(KEY_CREDENTIAL, str(settings.mqtt.key_file.absolute()))
        _put(system, _place(instance, job, "credentials.conf"), _handed_over(files))
    return settings


def drop_in_folders(system: System) -> Iterator[str]:
    """Yield the folders in which drop-ins of ours may lie."""
    for path in sorted(system.at(UNITS_FOLDER).glob("edgeclip-*.service.d")):
        yield f"{UNITS_FOLDER}/{path.name}"


def _put_camera(system: System, instance: Instance, source: str | None) -> None:
    csi = _is_csi(source)
    text = (units_folder() / "detect-csi.conf").read_text() if csi else None
    _put(system, _place(instance, "detect", "csi.conf"), text)
    name = _place(instance, "detect", "rtsp.conf")
    if not _is_network(source):
        _put(system, name, None)
        return
    address = _address(str(source))
    there = system.at(name).read_text() if system.at(name).is_file() else None
    if there is not None and (address is None or not _is_ours(there)):
        system.say("kept", name)
    else:
        _put(system, name, _rtsp(address or _EXAMPLE_ADDRESS))
    if (address or _EXAMPLE_ADDRESS) not in system.at(name).read_text():
        if address is not None:
            system.say("note", f"{name} is yours and does not name the camera, {address}")
    elif address is None:
        system.say("note", f"put the camera's IP address into {name}")


def _put_tool(system: System, instance: Instance, tool: str) -> None:
    """Let the uplink ask the board's tool, where it is there: its sandbox forbids it otherwise."""
    groups = system.at("/etc/group")
    is_there = {
        "tegrastats": system.at("/usr/bin/tegrastats").exists(),
        "jtop": groups.is_file() and re.search(r"^jtop:", groups.read_text(), re.MULTILINE),
    }.get(tool)
    text = (units_folder() / f"uplink-{tool}.conf").read_text() if is_there else None
    _put(system, _place(instance, "uplink", "tool.conf"), text)


def _put(system: System, name: str, text: str | None) -> None:
    if text is not None:
        system.put(name, text)
    elif system.at(name).exists():
        system.remove(name)


def _place(instance: Instance, job: str, name: str) -> str:
    return f"{UNITS_FOLDER}/{instance.unit(job)}.d/{name}"


def _credentials(system: System, instance: Instance, kind: str) -> dict[str, str]:
    """Return the files of the credentials of a kind, by name."""
    there = system.at(f"{instance.folder}/{_CREDENTIALS}")
    names = [path.name for path in there.iterdir()] if there.is_dir() else []
    wanted = sorted(name for name in names if re.fullmatch(rf"{kind}-[a-z-]+", name))
    return {name: f"{instance.folder}/{_CREDENTIALS}/{name}" for name in wanted}


def _handed_over(files: dict[str, str]) -> str | None:
    """Return the drop-in that hands files over; None where there are none."""
    if not files:
        return None
    lines = [f"LoadCredential={name}:{path.replace('%', '%%')}" for name, path in files.items()]
    return "\n".join(["# Made by `edgeclip-device install`.", "[Service]", *lines, ""])


def _is_csi(source: str | None) -> bool:
    return (source or "").lstrip().startswith(("csi://", "nvarguscamerasrc"))


def _is_network(source: str | None) -> bool:
    return (source or "").startswith(("rtsp://", "rtsps://"))


def _rtsp(address: str) -> str:
    text = (units_folder() / "detect-rtsp.conf").read_text()
    return text.replace(_EXAMPLE_ADDRESS, address)


def _is_ours(text: str) -> bool:
    """Say whether a drop-in is as we made it, for whatever address."""
    return _ADDRESS.sub(rf"\g<1>{_EXAMPLE_ADDRESS}", text) == _rtsp(_EXAMPLE_ADDRESS)


def _address(url: str) -> str | None:
    """Return the camera's address; None of a name: systemd allows addresses alone."""
    try:
        return str(ipaddress.ip_address(urlsplit(url).hostname or ""))
    except ValueError:
        return None
