"""The desired state: tables that go over the configuration's, kept whole on disk."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from edgeclip.contract.commands import Role
from edgeclip.contract.files import write_text
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.pack import Part
from edgeclip.contract.settings import settings_from
from edgeclip.errors import ConfigError, OutboxError
from edgeclip_device.config import DeviceSettings

log = logging.getLogger(__name__)

DESIRED_FILE = "desired.json"
BEFORE_FILE = "desired.before.json"

# Nobody sets [power].trigger, a path of this machine, or a coordinate, which the broker would keep.
_OPERATORS: Final = {
    "inference.thresholds",
    "motion.masks",
    "power.awake_s",
    "power.mode",
    "power.windows",
}
_ADMINS: Final = _OPERATORS | {
    "camera.max_fps",
    "health",
    "limits",
    "media",
    "motion",
    "power.nvpmodel",
    "visits",
}
# A device of which no other key stands against what is wished.
_TAKES_MOST: Final = {
    "commands": {"lowest_threshold": 0.0, "highest_threshold": 1.0},
    "power": {"windows": ["00:00-23:59"], "latitude": 0.0, "longitude": 0.0, "trigger": "any"},
    "visits": {"frames": 1, "of": 60},
}


class Desired(Part):
    """What the device shall be, beside its configuration."""

    command_id: str = ""
    counter: int = 0
    tables: dict[str, Any] = Field(default_factory=dict)
    thresholds: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="Set by commands since; they go over the tables."
    )

    @property
    def sha256(self) -> str:
        """Of all of it; 64 hex digits."""
        return sha256_bytes(self.model_dump_json().encode())


class DesiredFile:
    """The desired state of a state folder, and the one before it.

    Args:
        state: The state folder.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / DESIRED_FILE
        self._before = state / BEFORE_FILE

    def read(self) -> Desired | None:
        """Return the desired state; None where there is none, or none that can be read."""
        return _read(self._path)

    def write(self, desired: Desired) -> None:
        """Write a state whole before it applies; the one before stays beside it.

        Raises:
            OutboxError: The disk cannot be written; nothing has changed.
        """
        now = self.read() or Desired()
        try:
            write_text(self._before, now.model_dump_json(indent=2) + "\n")
            write_text(self._path, desired.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise OutboxError(
                f"{self._path} cannot be written ({error}): free space, or repair the disk"
            ) from error

    def take_back(self) -> None:
        """Go back to the state before: this one cannot be applied.

        Raises:
            OutboxError: The disk cannot be written.
        """
        before = _read(self._before) or Desired()
        if before == self.read():
            before = Desired()  # that one cannot be applied either
        try:
            for path in (self._before, self._path):
                write_text(path, before.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise OutboxError(f"{self._path} cannot be written ({error}): free space") from error


def with_desired(
    settings: DeviceSettings, desired: Desired | None, role: Role = "admin"
) -> DeviceSettings:
    """Return the settings with a desired state over them.

    Args:
        settings: Of the configuration file.
        desired: What goes over it; None leaves them as they are.
        role: Of the person who wishes it.

    Raises:
        ConfigError: It touches what a role may not set, or a value is wrong.
    """
    if desired is None:
        return settings
    merged = settings.model_dump()
    _merge(merged, desired.tables)
    wanted = settings_from(merged, DeviceSettings, source="desired")
    allowed = _ADMINS if role == "admin" else _OPERATORS
    for key in _keys(desired.tables):
        if not any(key == name or key.startswith(name + ".") for name in allowed):
            raise ConfigError(
                f"desired: {key} cannot be set from afar by a key of role {role}: allowed are"
                f" {', '.join(sorted(allowed))}"
            )
    if desired.thresholds:
        merged = wanted.model_dump()
        _merge(merged, {"inference": {"thresholds": desired.thresholds}})
        wanted = settings_from(merged, DeviceSettings, source="desired")
    _check_bounds(wanted, settings)
    return wanted


def refuse_impossible(tables: dict[str, Any], file: Path) -> None:
    """Refuse, before it is sent, a desired state that no device would take.

    What the device alone knows (its own tables, the key's role, its pack) is left to it.

    Args:
        tables: Of the desired state.
        file: Where they stand.

    Raises:
        ConfigError: A key is unknown or not to be set from afar, or a value is wrong.
    """
    most = DeviceSettings.model_validate(_TAKES_MOST)
    try:
        with_desired(most, Desired(tables=tables))
    except ConfigError as error:
        raise ConfigError(f"{file}: {str(error).removeprefix('desired: ')}") from error


def _check_bounds(wanted: DeviceSettings, settings: DeviceSettings) -> None:
    """Refuse thresholds out of bounds, but for those that the configuration itself has."""
    low, high = settings.commands.lowest_threshold, settings.commands.highest_threshold
    for name, thresholds in wanted.inference.thresholds.items():
        ours = settings.inference.thresholds.get(name)
        for key, value in thresholds.model_dump(exclude_none=True).items():
            if value != getattr(ours, key, None) and not low <= value <= high:
                raise ConfigError(
                    f"desired: threshold {key} = {value} of {name} is not within {low} to {high}"
                )


def _keys(tables: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted names of two levels of tables."""
    found = []
    for name, value in tables.items():
        if isinstance(value, dict) and not prefix:
            found += _keys(value, f"{name}.") or [name]
        else:
            found.append(prefix + name)
    return found


def _merge(tables: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(tables.get(key), dict):
            _merge(tables[key], value)
        else:
            tables[key] = value


def _read(path: Path) -> Desired | None:
    try:
        return Desired.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.error("%s cannot be read and is passed over: %s", path, error)
        return None
