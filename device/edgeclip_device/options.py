"""From the options of the command line to the tables of the configuration."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeclip.errors import ConfigError

if TYPE_CHECKING:
    from edgeclip_device.config import DeviceSettings


def settings_of(
    config: Path | None,
    options: dict[str, Any],
    frames: tuple[float | None, int | None, int | None] = (None, None, None),
) -> DeviceSettings:
    """Return the settings: option over file over default.

    Args:
        config: `device.toml`, or None.
        options: Nested tables; None stands for not given.
        frames: Frames a second, and the strips at top and bottom, px.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    from edgeclip_device.config import load_settings

    max_fps, top, bottom = frames
    options.setdefault("camera", {}).update(
        {"max_fps": max_fps, "strip_top_px": top, "strip_bottom_px": bottom}
    )
    return load_settings(config, options)


def identity(
    device_id: str | None, project: str | None, deployment_id: str | None, state: Path | None
) -> dict[str, Any]:
    """Return the keys that say who the device is, and where its outbox lies."""
    return {
        "device_id": device_id,
        "project": project,
        "deployment_id": deployment_id,
        "state": state,
    }


def watching(
    source: str | None,
    camera_id: str | None,
    decides: tuple[Path | None, str | None, str | None],
    judging: tuple[str | None, str | None],
) -> dict[str, Any]:
    """Return the tables of what is watched and how it is judged.

    Args:
        source: What to watch.
        camera_id: The camera's name.
        decides: Bundle, task and backend.
        judging: Motion algorithm, and votes as N/M.

    Raises:
        ConfigError: The votes are not of that form.
    """
    bundle, task, backend = decides
    motion, votes = judging
    frames, of = _votes(votes)
    return {
        "camera": {"source": source, "camera_id": camera_id},
        "inference": {"bundle": bundle, "task": task, "backend": backend},
        "motion": {"algorithm": motion},
        "visits": {"frames": frames, "of": of},
    }


def _votes(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    frames, slash, of = text.partition("/")
    if not (slash and frames.isdigit() and of.isdigit()):
        raise ConfigError(f"--votes {text}: expected N/M, for example 2/3")
    return int(frames), int(of)


def parse_time(text: str | None) -> datetime | None:
    """Return a time with its zone, in UTC.

    Args:
        text: RFC 3339, or None.

    Raises:
        ConfigError: Another form, or no time zone.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))  # 3.10 does not know Z
    except ValueError as error:
        raise ConfigError(f"--start {text}: expected a time like 2026-05-01T02:03:04Z") from error
    if at.tzinfo is None:
        raise ConfigError(f"--start {text}: add the time zone, for example {text}Z for UTC")
    return at.astimezone(timezone.utc)
