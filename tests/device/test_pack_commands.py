"""The commands of `edgeclip-device pack`, at a desk and on a device without detect."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeclip.errors import ConfigError
from edgeclip_device.backlog import Backlog
from edgeclip_device.cli import app
from edgeclip_device.clock import SystemClock
from edgeclip_device.command_book import CommandBook
from edgeclip_device.config import DeviceSettings
from edgeclip_device.rollout.shelf import INCOMING_FOLDER, RolloutState, Shelf
from support.deliveries import Team
from support.fields import TOPICS
from support.processes import complete

Make = Callable[..., DeviceSettings]


def _handed_over(settings: DeviceSettings) -> list[Path]:
    with closing(Backlog(settings.state)) as backlog:
        pending = CommandBook(backlog.connection, SystemClock(), TOPICS).pending("detect")
    return [Path(item.args["path"]) for item in pending]


def _invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def _config(settings: DeviceSettings, folder: Path) -> str:
    path = folder / "device.toml"
    path.write_text(
        f'device_id = "jetson-1"\nstate = "{settings.state}"\n'
        f'[inference]\nbundle = "{settings.inference.bundle}"\n'
    )
    return str(path)


def test_packs_are_listed_installed_by_hand_and_rolled_back_without_detect(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings()
    config = _config(settings, tmp_path)
    assert "decides:   as configured" in _invoke("pack", "list", "--config", config)
    with pytest.raises(ConfigError, match="there is nothing to go back to"):
        _invoke("pack", "rollback", "--config", config)
    delivery = Team(tmp_path / "team").delivery("1.1.0")
    assert "detect takes it" in _invoke("pack", "install", str(delivery), "--config", config)
    assert _handed_over(settings)[0].read_bytes() == delivery.read_bytes()
    Shelf(settings).write(RolloutState(serving="abc", before=[""], stage="watch"))
    assert "done: it decides" in _invoke("pack", "rollback", "--config", config)
    state = json.loads(_invoke("pack", "list", "--json", "--config", config))
    assert (state["serving"], state["reason"]) == ("", "a person asked for it")


def test_what_root_leaves_on_a_device_stays_writable_for_the_services(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings()
    settings.state.mkdir(mode=0o2770)
    settings.state.chmod(0o2770)
    delivery = Team(tmp_path / "team").delivery("1.1.0")
    before = os.umask(0o022)  # root's, as a rule
    try:
        done = complete("pack", "install", delivery, "--config", _config(settings, tmp_path))
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    made = [settings.state / INCOMING_FOLDER, *_handed_over(settings)]
    made += settings.state.glob("outbox.sqlite*")
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in made}
    assert modes.pop(INCOMING_FOLDER) == "0o2770"
    assert set(modes.values()) == {"0o660"}, modes


def test_a_signed_bundle_is_wrapped_at_a_desk(tmp_path: Path) -> None:
    bundle = Team(tmp_path / "team").bundle("1.1.0")
    said = _invoke("pack", "wrap", str(bundle), str(tmp_path / "x.zip"))
    assert "kB" in said
    assert (tmp_path / "x.zip").is_file()
