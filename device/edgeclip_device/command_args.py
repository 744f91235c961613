"""What each command takes."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from edgeclip.contract.commands import Command, CommandName
from edgeclip.contract.detection import Name
from edgeclip.contract.pack import Probability, Sha256
from edgeclip.contract.settings import Settings
from edgeclip.contract.validation import said
from edgeclip_device.command_book import Target

LARGEST_PACK: Final = 4_000_000_000


class NoArgs(Settings):
    """Nothing."""


class SnapshotArgs(Settings):
    """How large the picture may be."""

    max_bytes: int = Field(25_000, ge=4_000, le=40_000)


class ThresholdArgs(Settings):
    """New thresholds of one class; what is not given stays."""

    class_name: Name
    on: Probability | None = None
    off: Probability | None = None
    peak: Probability | None = None


class ConfigureArgs(Settings):
    """Tables of `device.toml`; they go over the file's."""

    tables: dict[str, Any]


class ServiceArgs(Settings):
    """Which of the two processes."""

    service: Literal["detect", "uplink"] = "detect"


class LogsArgs(ServiceArgs):
    """How many of its last lines."""

    lines: int = Field(100, ge=1, le=300)


class PackAddArgs(Settings):
    """Which delivery, and where it is; without a URL it comes in chunks."""

    sha256: Sha256
    size_bytes: int = Field(ge=1, le=LARGEST_PACK)
    url: Annotated[str, StringConstraints(pattern=r"^(https?|file)://", max_length=2000)] | None = (
        None
    )


_MODELS: Final[dict[CommandName, type[BaseModel]]] = {
    "arm": NoArgs,
    "configure": ConfigureArgs,
    "disarm": NoArgs,
    "logs": LogsArgs,
    "pack_add": PackAddArgs,
    "pack_promote": NoArgs,
    "pack_rollback": NoArgs,
    "ping": NoArgs,
    "reboot": NoArgs,
    "restart": ServiceArgs,
    "snapshot": SnapshotArgs,
    "thresholds": ThresholdArgs,
}


def problem_with(command: Command) -> str | None:
    """Return what is wrong with a command's arguments, or None."""
    try:
        _MODELS[command.name].model_validate(command.args)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "args"
        return f"{command.name}: {where}: {said(first)}"
    return None


def target_of(command: Command) -> Target:
    """Return which process does a command."""
    if command.name in ("logs", "restart"):
        return "uplink" if command.args.get("service") == "uplink" else "detect"
    return "uplink" if command.name in ("ping", "pack_add", "reboot") else "detect"
