"""Drop-ins: what a camera, its login and the board's tool need of the units."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from edgeclip_device.field.installing import CONFIG, InstallOptions, install, uninstall
from edgeclip_device.field.steps import Step
from edgeclip_device.field.unit_files import PROGRAM
from support.machines import put


def _install(root: Path) -> list[Step]:
    return install(InstallOptions(None, root, Path(PROGRAM)))


@pytest.mark.systemd
@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        ("rtsp://10.1.2.3/live", "rtsp.conf", "IPAddressAllow=10.1.2.3"),
        ("nvarguscamerasrc sensor-id=0 ! appsink", "csi.conf", "PrivateTmp=no"),
    ],
)
def test_a_camera_gets_the_drop_in_that_it_needs_and_loses_it_again(
    tmp_path: Path, source: str, name: str, words: str
) -> None:
    config = tmp_path / CONFIG.lstrip("/")
    config.parent.mkdir(parents=True)
    config.write_text(f'[camera]\nsource = "{source}"\n')
    _install(tmp_path)
    drop_in = tmp_path / f"etc/systemd/system/edgeclip-detect.service.d/{name}"
    assert words in drop_in.read_text()
    config.write_text('[camera]\nsource = "/dev/video0"\n')
    _install(tmp_path)
    assert not drop_in.exists()


@pytest.mark.systemd
def test_a_camera_by_name_brings_the_advice_to_put_its_address_in(tmp_path: Path) -> None:
    config = tmp_path / CONFIG.lstrip("/")
    config.parent.mkdir(parents=True)
    config.write_text('[camera]\nsource = "rtsp://camera.lan/live"\n')
    assert any("IP address" in step.what for step in _install(tmp_path))


@pytest.mark.systemd
def test_credentials_that_lie_ready_are_handed_to_the_uplink(tmp_path: Path) -> None:
    folder = tmp_path / "etc/edgeclip/credentials"
    folder.mkdir(parents=True)
    (folder / "mqtt-username").write_text("ridge")
    (folder / "other; evil").write_text("x")
    _install(tmp_path)
    text = (tmp_path / "etc/systemd/system/edgeclip-uplink.service.d/credentials.conf").read_text()
    assert "LoadCredential=mqtt-username:/etc/edgeclip/credentials/mqtt-username" in text
    assert "evil" not in text


@pytest.mark.systemd
def test_the_cameras_login_is_handed_to_detect_and_to_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "etc/edgeclip/credentials"
    folder.mkdir(parents=True)
    (folder / "camera-password").write_text("secret")
    _install(tmp_path)
    units = tmp_path / "etc/systemd/system"
    text = (units / "edgeclip-detect.service.d/credentials.conf").read_text()
    assert "LoadCredential=camera-password:/etc/edgeclip/credentials/camera-password" in text
    assert not (units / "edgeclip-uplink.service.d").exists()


@pytest.mark.systemd
def test_the_uplink_may_ask_the_boards_tool_where_it_is_there(tmp_path: Path) -> None:
    drop_in = tmp_path / "etc/systemd/system/edgeclip-uplink.service.d/tool.conf"
    _install(tmp_path)
    assert not drop_in.exists()
    put(tmp_path, "/usr/bin/tegrastats", "")
    _install(tmp_path)
    assert "ProcSubset=all" in drop_in.read_text()
    config = tmp_path / CONFIG.lstrip("/")
    config.write_text('[health]\ntool = "jtop"\n')
    _install(tmp_path)
    assert not drop_in.exists(), "a group that is missing would keep the unit from starting"
    with (tmp_path / "etc/group").open("a") as file:
        file.write("jtop:x:993:\n")
    _install(tmp_path)
    assert "SupplementaryGroups=jtop" in drop_in.read_text()


@pytest.mark.systemd
def test_the_key_of_the_certificate_is_handed_to_the_uplink_alone(tmp_path: Path) -> None:
    key = put(tmp_path, "keys/device.key", "")
    put(tmp_path, CONFIG, f'[mqtt]\ncertificate_file = "{key}"\nkey_file = "{key}"\n')
    _install(tmp_path)
    units = tmp_path / "etc/systemd/system"
    text = (units / "edgeclip-uplink.service.d/credentials.conf").read_text()
    assert f"LoadCredential=mqtt-key:{key}" in text
    assert not (units / "edgeclip-detect.service.d").exists()


@pytest.mark.systemd
def test_a_drop_in_that_the_engineer_changed_is_kept(tmp_path: Path) -> None:
    config = tmp_path / CONFIG.lstrip("/")
    config.parent.mkdir(parents=True)
    config.write_text('[camera]\nsource = "rtsp://camera.lan/live"\n')
    _install(tmp_path)
    drop_in = tmp_path / "etc/systemd/system/edgeclip-detect.service.d/rtsp.conf"
    for words in ("IPAddressAllow=10.9.8.7", "IPAddressAllow=10.9.8.7 10.9.8.8\nMemoryMax=2G"):
        drop_in.write_text(re.sub("IPAddressAllow=.*", words, drop_in.read_text()))
        steps = _install(tmp_path)
        assert words in drop_in.read_text()
        assert not any("IP address" in step.what for step in steps)
    config.write_text('[camera]\nsource = "rtsp://10.1.1.1/live"\n')
    steps = _install(tmp_path)
    assert "MemoryMax=2G" in drop_in.read_text()
    assert any("does not name the camera, 10.1.1.1" in step.what for step in steps)


@pytest.mark.systemd
def test_a_camera_of_its_own_gets_its_drop_ins_and_loses_all_with_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "etc/edgeclip/north"
    (folder / "credentials").mkdir(parents=True)
    (folder / "credentials/mqtt-password").write_text("secret")
    (folder / "device.toml").write_text('[camera]\nsource = "rtsp://10.1.2.3/live"\n')
    _install(tmp_path)
    units = tmp_path / "etc/systemd/system"
    rtsp = (units / "edgeclip-detect@north.service.d/rtsp.conf").read_text()
    assert "IPAddressAllow=10.1.2.3" in rtsp
    text = (units / "edgeclip-uplink@north.service.d/credentials.conf").read_text()
    assert "LoadCredential=mqtt-password:/etc/edgeclip/north/credentials/mqtt-password" in text
    subprocess.run(
        ["systemctl", f"--root={tmp_path}", "enable", "edgeclip-detect@north.service"],
        check=True, capture_output=True,
    )  # fmt: skip
    uninstall(tmp_path)
    assert [path.name for path in units.rglob("*edgeclip*")] == []
