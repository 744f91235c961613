"""A broken device.toml takes neither the desired state nor a promoted pack with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.errors import ConfigError
from edgeclip_device.config import DeviceSettings
from edgeclip_device.desired import Desired, DesiredFile
from edgeclip_device.detect import detect
from edgeclip_device.rollout.shelf import Shelf
from support.deliveries import Team

Make = Callable[..., DeviceSettings]
NIGHT = Desired(
    counter=1, tables={"inference": {"thresholds": {"leopard": {"on": 0.7, "peak": 0.9}}}}
)


def _without_time_zone(make_settings: Make, card: Path) -> DeviceSettings:
    """Return the settings of a watched folder whose time zone somebody deleted."""
    card.mkdir()
    settings = make_settings(camera={"source": str(card), "watch": True})
    settings.state.mkdir()
    return settings


def test_a_broken_device_toml_leaves_the_desired_state_and_the_one_before(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = _without_time_zone(make_settings, tmp_path / "card")
    file = DesiredFile(settings.state)
    before = NIGHT.model_copy(update={"counter": 0})
    file.write(before)
    file.write(NIGHT)
    with pytest.raises(ConfigError, match=r"\[camera\].time_zone is missing"):
        detect(settings, threading.Event())
    assert file.read() == NIGHT
    file.take_back()
    assert file.read() == before


def test_a_broken_device_toml_rolls_no_promoted_pack_back(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = _without_time_zone(make_settings, tmp_path / "card")
    shelf = Shelf(settings)
    shelf.folder.mkdir()
    Team(tmp_path / "team").bundle("1.1.0").rename(shelf.folder / "new")
    promoted = shelf.read().model_copy(update={"serving": "new", "before": [""], "stage": "watch"})
    shelf.write(promoted)
    with pytest.raises(ConfigError, match=r"\[camera\].time_zone is missing"):
        detect(settings, threading.Event())
    now = shelf.read()
    assert (now.serving, now.before, now.stage) == ("new", [""], "watch")
