from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from edgeclip_device.backlog import Backlog
from edgeclip_device.config import DeviceSettings
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.facts import DeviceFacts, info
from edgeclip_device.machine.identity import identify, libraries
from edgeclip_device.machine.tree import Tree
from edgeclip_device.notify import Notifier
from support.machines import orin

Make = Callable[..., DeviceSettings]


def test_a_jetson_names_board_and_system_and_not_its_serial_number(
    make_settings: Make, tmp_path: Path
) -> None:
    found = identify(orin(tmp_path), make_settings())
    assert (found.module, found.l4t) == ("NVIDIA Jetson Orin NX", "36.4.3")
    assert found.serial_sha256 == hashlib.sha256(b"1421223000000").hexdigest()[:16]


def test_a_desk_has_neither(make_settings: Make, tmp_path: Path) -> None:
    found = identify(Tree(tmp_path), make_settings())
    assert (found.module, found.l4t, found.serial_sha256) == (None, None, None)


def test_the_hash_of_the_settings_says_nothing_of_the_place(
    make_settings: Make, tmp_path: Path
) -> None:
    def digest(**tables: object) -> str:
        return identify(Tree(tmp_path), make_settings(**tables)).config_sha256

    here = digest(power={"latitude": -1.3, "longitude": 36.8})
    assert digest(power={"latitude": 51.5, "longitude": 0.0}) == here
    assert digest(power={"awake_s": 90.0}) != here
    at = {"latitude": -1.31234, "longitude": 36.81234, "uncertainty_m": 5.0}
    assert digest(power={"latitude": 0.0, "longitude": 0.0}, location=at) == here


def test_libraries_are_named_with_their_versions() -> None:
    assert "onnxruntime" in libraries()


def test_info_carries_packs_libraries_and_identity(
    make_settings: Make, still_clip: Path, tmp_path: Path
) -> None:
    settings = make_settings(camera={"source": str(still_clip)})
    with (
        opened_detector(settings, Notifier(), DetectOptions()),
        closing(Backlog(settings.state)) as backlog,
    ):
        facts = DeviceFacts(running=backlog.running())
        told = info(settings, facts, identify(orin(tmp_path / "orin"), settings))
    assert told.packs_available == ["leopard@1.0.0", "trio@1.0.0"]
    assert told.libraries["onnxruntime"]
    assert (told.module, told.l4t) == ("NVIDIA Jetson Orin NX", "36.4.3")
    assert told.config_sha256 is not None
