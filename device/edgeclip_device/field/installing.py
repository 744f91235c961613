"""Install and uninstall: the same steps into a running system and into a folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.bundle import ENGINES_FOLDER, MANIFEST_FILE
from edgeclip.contract.files import new_folder
from edgeclip.errors import SetupError
from edgeclip_device.config import DeviceSettings, load_settings
from edgeclip_device.field import unit_files as files
from edgeclip_device.field.drop_ins import (
    Instance,
    cameras_of_their_own,
    drop_in_folders,
    put_drop_ins,
)
from edgeclip_device.field.requests import REQUESTS
from edgeclip_device.field.steps import Step, System
from edgeclip_device.trust import Trust

CONFIG = "/etc/edgeclip/device.toml"
STATE = "/var/lib/edgeclip"
BUNDLE = f"{STATE}/bundle"
JOBS = ("detect", "uplink")
SERVICES = ("edgeclip-detect.service", "edgeclip-uplink.service")
USERS = ("edgeclip-detect", "edgeclip-uplink")
GROUP = "edgeclip"
PATHS = tuple(f"edgeclip-apply@{request}.path" for request in REQUESTS)

_TEMPLATE = """\
# Made by `edgeclip-device install`; device.example.toml of the sources holds every key.
device_id = "{device_id}"
project = "demo"
deployment_id = "unplaced"
state = "/var/lib/edgeclip"

[camera]
# source = "/dev/v4l/by-id/..."

[inference]
bundle = "/var/lib/edgeclip/bundle"

[mqtt]
# url = "mqtts://broker.example.org"
"""


@dataclass(frozen=True)
class InstallOptions:
    """What is installed, and where.

    Attributes:
        bundle: Folder made by `edgeclip-export bundle`; None leaves the one that is there.
        root: What stands for `/`.
        program: `edgeclip-device` as the units should name it.
        start: Whether to start the services on a running system.
    """

    bundle: Path | None
    root: Path
    program: Path
    start: bool = True


def install(options: InstallOptions) -> list[Step]:
    """Install units, users, folders, a first configuration and a bundle; twice is once.

    Raises:
        ConfigError: The configuration that is there is wrong.
        ArtefactError: The bundle is damaged, or not signed by whom the configuration believes.
        SetupError: Something cannot be written or run.
    """
    system = System(options.root)
    _require_a_program_that_units_see(options, system)
    _put_files(system, options.program)
    system.at("/etc").mkdir(parents=True, exist_ok=True)  # of an image: users are written there
    system.run("systemd-sysusers", "edgeclip.conf")
    if os.geteuid() == 0:  # it gives the folders to root and the group
        system.run("systemd-tmpfiles", "--create", "edgeclip.conf")
    system.at(STATE).mkdir(parents=True, exist_ok=True)
    device_id = load_settings(None, {}).device_id
    system.put(CONFIG, _TEMPLATE.format(device_id=device_id), keep=True)
    settings = _settings(system)
    if options.bundle is not None:
        _put_bundle(system, options.bundle, settings)
    for instance in (Instance(), *cameras_of_their_own(system)):
        put_drop_ins(system, instance)
    _enable(system, options, settings)
    return system.steps


def uninstall(root: Path, *, purge: bool = False) -> list[Step]:
    """Remove what `install` made; configuration and outbox stay unless `purge`.

    Raises:
        SetupError: There is no such folder, or something cannot be removed or run.
    """
    if not root.is_dir():
        raise SetupError(f"there is no folder {root}: check --root")
    system = System(root)
    others = [camera.unit(job) for camera in cameras_of_their_own(system) for job in JOBS]
    if system.is_running:
        system.run("systemctl", "disable", "--now", *SERVICES, *others, *PATHS)
    elif any(system.at(f"{files.UNITS_FOLDER}/{unit}").exists() for unit in files.UNITS):
        system.run("systemctl", "disable", *SERVICES, *others, *PATHS)
    for name in files.UNITS:
        system.remove(f"{files.UNITS_FOLDER}/{name}")
    for folder in drop_in_folders(system):
        system.remove(folder)
    for name in files.SYSTEM_FILES.values():
        system.remove(name)
    if purge:
        for name in ("/etc/edgeclip", STATE, "/var/lib/edgeclip-apply", "/run/edgeclip"):
            system.remove(name)
        _remove_users(system)
    else:
        system.say("note", f"/etc/edgeclip and {STATE} stay: --purge removes them, and the outbox")
    if system.is_running:
        system.run("systemctl", "daemon-reload")
    return system.steps


def _remove_users(system: System) -> None:
    """Remove users and group; not before their files, which nobody would own then."""
    for file, program, names in (("passwd", "userdel", USERS), ("group", "groupdel", (GROUP,))):
        path = system.at(f"/etc/{file}")
        known = path.read_text().splitlines() if path.is_file() else []
        for name in names:
            if any(line.startswith(f"{name}:") for line in known):
                system.run(program, name, where="--prefix")
                system.say("removed", f"{program.removesuffix('del')} {name}")


def _require_a_program_that_units_see(options: InstallOptions, system: System) -> None:
    hidden = ("/home/", "/root/", "/run/user/", "/tmp/")
    if options.root == Path("/") and str(options.program).startswith(hidden):
        raise SetupError(
            f"{options.program} lies where the services cannot see it (ProtectHome, PrivateTmp):"
            " install edgeclip into /opt/edgeclip/venv, see docs/device-setup.md"
        )
    if str(options.program) != files.PROGRAM:
        system.say("note", f"the units name {options.program}")


def _put_files(system: System, program: Path) -> None:
    is_packaged = system.at(f"{files.PACKAGED_FOLDER}/{SERVICES[0]}").is_file()
    if is_packaged:
        system.say("note", f"the units are those of the package, in {files.PACKAGED_FOLDER}")
        return
    for unit, source in files.UNITS.items():
        system.put(f"{files.UNITS_FOLDER}/{unit}", files.unit_text(source, program))
    for name, target in files.SYSTEM_FILES.items():
        system.put(target, files.unit_text(name, program))


def _settings(system: System) -> DeviceSettings:
    return load_settings(system.at(CONFIG), {})


def _put_bundle(system: System, bundle: Path, settings: DeviceSettings) -> None:
    """Copy a bundle that is whole and believed; engines that were built here come along."""
    state = system.at(STATE)
    Trust(settings.inference, state).read(bundle)
    target = system.at(BUNDLE)
    manifest = (bundle / MANIFEST_FILE).read_bytes()
    there = target / MANIFEST_FILE
    if there.is_file() and there.read_bytes() == manifest:
        system.say("kept", BUNDLE)
        return
    is_first = not there.is_file()
    engines = target / ENGINES_FOLDER
    with new_folder(target, overwrite=True) as folder:
        shutil.copytree(bundle, folder, dirs_exist_ok=True)
        if engines.is_dir() and not (folder / ENGINES_FOLDER).exists():
            shutil.copytree(engines, folder / ENGINES_FOLDER)
    system.say("made" if is_first else "changed", BUNDLE)


def _enable(system: System, options: InstallOptions, settings: DeviceSettings) -> None:
    changed = system.has_changed
    if system.is_running:
        system.run("systemctl", "daemon-reload")
    system.run("systemctl", "enable", *SERVICES, *PATHS)
    if settings.camera.source is None or settings.mqtt.url is None:
        system.say("note", f"name camera and broker in {CONFIG}, then install again")
    elif system.is_running and options.start:
        _start(system, changed=changed)


def _start(system: System, *, changed: bool) -> None:
    """Start the services, and wait for none: an engine takes minutes to load."""
    system.run("systemctl", "start", *PATHS)
    system.run("systemctl", "restart" if changed else "start", "--no-block", *SERVICES)
