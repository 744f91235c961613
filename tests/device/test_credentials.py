from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.errors import ConfigError
from edgeclip_device.credentials import broker_credentials, camera_credentials


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("MQTT", "CAMERA"):
        monkeypatch.delenv(f"EDGECLIP_{kind}_USERNAME", raising=False)
        monkeypatch.delenv(f"EDGECLIP_{kind}_PASSWORD", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def test_without_any_there_is_nobody() -> None:
    assert broker_credentials().username is None
    assert camera_credentials().password is None


def test_the_environment_gives_user_and_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECLIP_MQTT_USERNAME", "jetson-1")
    monkeypatch.setenv("EDGECLIP_MQTT_PASSWORD", "secret")
    found = broker_credentials()
    assert found.password is not None
    assert (found.username, found.password.get_secret_value()) == ("jetson-1", "secret")


def test_a_password_is_masked_wherever_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECLIP_MQTT_USERNAME", "jetson-1")
    monkeypatch.setenv("EDGECLIP_MQTT_PASSWORD", "hunter2")
    found = broker_credentials()
    assert "hunter2" not in f"{found} {found!r} {found.model_dump_json()}"


def test_a_systemd_credential_goes_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "camera-username").write_text("viewer\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("EDGECLIP_CAMERA_USERNAME", "other")
    assert camera_credentials().username == "viewer"


def test_a_password_without_a_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECLIP_MQTT_PASSWORD", "secret")
    with pytest.raises(ConfigError, match="without a user name"):
        broker_credentials()


def test_a_credential_that_is_no_text_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mqtt-username").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigError, match="mqtt-username cannot be read"):
        broker_credentials()
