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

from edgeclip.errors import BundleDamagedError, ConfigError, SignatureError
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


def _config(settings: DeviceSettings, folder: Path, *keys: Path) -> str:
    path = folder / "device.toml"
    path.write_text(
        f'device_id = "jetson-1"\nstate = "{settings.state}"\n'
        f'[inference]\nbundle = "{settings.inference.bundle}"\n'
        f"public_keys = {json.dumps([str(key) for key in keys])}\n"
    )
    return str(path)


def test_packs_are_listed_installed_by_hand_and_rolled_back_without_detect(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings()
    team = Team(tmp_path / "team")
    config = _config(settings, tmp_path, team.public)
    assert "decides:   as configured" in _invoke("pack", "list", "--config", config)
    with pytest.raises(ConfigError, match="there is nothing to go back to"):
        _invoke("pack", "rollback", "--config", config)
    delivery = team.delivery("1.1.0")
    said = _invoke("pack", "install", str(delivery), "--config", config)
    assert said.startswith("leopard@1.1.0\ndetect takes it")
    assert _handed_over(settings)[0].read_bytes() == delivery.read_bytes()
    Shelf(settings).write(RolloutState(serving="abc", before=[""], stage="watch"))
    assert "done: it decides" in _invoke("pack", "rollback", "--config", config)
    state = json.loads(_invoke("pack", "list", "--json", "--config", config))
    assert (state["serving"], state["reason"]) == ("", "a person asked for it")


def test_what_is_no_delivery_is_refused_at_once(make_settings: Make, tmp_path: Path) -> None:
    settings, team = make_settings(), Team(tmp_path / "team")
    config = _config(settings, tmp_path, team.public)
    (tmp_path / "README.md").write_text("# Read me")
    with pytest.raises(BundleDamagedError, match=r"README\.md is no delivery"):
        _invoke("pack", "install", str(tmp_path / "README.md"), "--config", config)
    assert not (settings.state / INCOMING_FOLDER).exists()


def test_a_delivery_of_strangers_or_without_any_key_is_refused_at_once(
    make_settings: Make, tmp_path: Path
) -> None:
    settings, delivery = make_settings(), Team(tmp_path / "team").delivery("1.1.0")
    with pytest.raises(SignatureError, match="no pack is taken without keys"):
        _invoke("pack", "install", str(delivery), "--config", _config(settings, tmp_path))
    others = _config(settings, tmp_path, Team(tmp_path / "others").public)
    with pytest.raises(SignatureError, match=r"1\.1\.0\.zip is not believed: .* by key"):
        _invoke("pack", "install", str(delivery), "--config", others)
    assert not (settings.state / INCOMING_FOLDER).exists()


def test_what_root_leaves_on_a_device_stays_writable_for_the_services(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings()
    settings.state.mkdir(mode=0o2770)
    settings.state.chmod(0o2770)
    team = Team(tmp_path / "team")
    delivery, config = team.delivery("1.1.0"), _config(settings, tmp_path, team.public)
    before = os.umask(0o022)  # root's, as a rule
    try:
        done = complete("pack", "install", delivery, "--config", config)
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


def test_wrap_writes_over_a_delivery_and_over_nothing_else(tmp_path: Path) -> None:
    bundle, out = Team(tmp_path / "team").bundle("1.1.0"), tmp_path / "x.zip"
    for _ in range(2):
        assert CliRunner().invoke(app, ["pack", "wrap", str(bundle), str(out)]).exit_code == 0
    out.write_bytes(b"photographs")
    done = CliRunner().invoke(app, ["pack", "wrap", str(bundle), str(out)])
    assert isinstance(done.exception, ConfigError)
    assert "x.zip is there, and no delivery: name another file" in str(done.exception)
    assert out.read_bytes() == b"photographs"
