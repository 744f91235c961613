"""What is wrong with settings of which each value is right: files, and keys that need others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.signing import read_public_keys
from edgeclip.errors import ConfigError
from edgeclip_device import sealing
from edgeclip_device.config import DeviceSettings


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        found: Key, and what is wrong with it.
        next_step: What to do.
        stops: Whether a service does not start with it; else something has no effect, or not yet.
    """

    found: str
    next_step: str
    stops: bool = True

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.found}: {self.next_step}"


def faults_of(settings: DeviceSettings) -> list[Fault]:
    """Return all that is wrong, what keeps a service from starting first."""
    found = [
        *bundle_faults(settings),
        *key_faults("inference.public_keys", settings.inference.public_keys),
        *command_key_faults(settings),
        *table_faults(settings),
    ]
    return sorted(found, key=lambda fault: not fault.stops)


def bundle_faults(settings: DeviceSettings) -> Iterator[Fault]:
    """Yield what is wrong with the folder that decides; its content is the doctor's matter."""
    bundle = settings.inference.bundle
    if bundle is not None and not (bundle / MANIFEST_FILE).is_file():
        step = "copy a folder of `edgeclip-export bundle` there, or correct the path"
        yield Fault(f"[inference].bundle: {bundle} holds no {MANIFEST_FILE}", step)


def command_key_faults(settings: DeviceSettings) -> Iterator[Fault]:
    """Yield the files of people's keys that hold none."""
    yield from key_faults("commands.operators", settings.commands.operators)
    yield from key_faults("commands.admins", settings.commands.admins)


def key_faults(name: str, files: list[Path]) -> Iterator[Fault]:
    """Yield the files that hold no public key of a signer.

    Args:
        name: Of the key of the configuration, `table.key`.
        files: What it names.
    """
    for file in files:
        try:
            read_public_keys([file])
        except ConfigError as error:
            yield _of_file(name, error)


def table_faults(settings: DeviceSettings) -> Iterator[Fault]:
    """Yield keys that miss another, or do nothing."""
    if settings.privacy.public_key is not None:
        try:
            sealing.read_public_key(settings.privacy.public_key)
        except ConfigError as error:
            yield _of_file("privacy.public_key", error)
    if settings.camera.watch and settings.camera.time_zone is None:
        step = 'give that of the camera\'s clock, for example "Africa/Nairobi" or "+03:00"'
        yield Fault("[camera].time_zone is missing: a watched folder needs it", step)
    source = settings.camera.source
    if settings.camera.watch and source and not Path(source).is_dir():
        found = f"[camera].source: {source} is no folder here, and is watched"
        yield Fault(found, "make it, or correct the path", stops=False)  # detect waits for it
    if settings.power.windows and settings.power.mode != "windowed":
        found = f'[power].windows do nothing with mode = "{settings.power.mode}"'
        yield Fault(found, 'write mode = "windowed", or take them out', stops=False)
    if not settings.state.is_absolute():
        found = f"state = {settings.state} depends on the folder in which a program is started"
        yield Fault(found, "give a path from / on, as /var/lib/edgeclip", stops=False)


def _of_file(name: str, error: ConfigError) -> Fault:
    table, _, key = name.partition(".")
    found, _, step = str(error).rpartition(": ")
    if isinstance(error.__cause__, FileNotFoundError):
        found = f"{error.__cause__.filename} is not there"
        step = "copy the public key there, or correct the path"
    return Fault(f"[{table}].{key}: {found}", step)
