from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edgeclip.errors import ConfigError
from edgeclip_dashboard.config import (
    PASSWORD_VARIABLE,
    USERNAME_VARIABLE,
    credentials_from_environment,
    is_loopback,
    load_settings,
    parse_broker_url,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dashboard.toml"
    path.write_text('project = "reserve"\n[page]\nport = 9000\ntheme = "dark"\n')
    return path


def test_an_option_wins_over_the_file_and_the_file_over_the_default(file: Path) -> None:
    settings = load_settings(file, {"page": {"port": 9001}})
    assert settings.page.port == 9001
    assert settings.page.theme == "dark"
    assert settings.project == "reserve"
    assert settings.page.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "zone"),
    [("", None), ('[page]\ntime_zone = "UTC"', None),
     ('[page]\ntime_zone = "Africa/Nairobi"', ZoneInfo("Africa/Nairobi"))],
)  # fmt: skip
def test_a_project_has_a_clock(file: Path, text: str, zone: ZoneInfo | None) -> None:
    file.write_text(text)
    assert load_settings(file, {}).zone == zone


def test_an_unknown_key_is_refused_with_the_nearest_known_one(file: Path) -> None:
    file.write_text("[page]\nprot = 1\n")
    with pytest.raises(ConfigError, match=r"\[page\].prot is not known: did you mean port\?"):
        load_settings(file, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[page]\nport = 70000\n", r"\[page\].port", id="out of range"),
        pytest.param('[page]\nport = "80"\n', r"\[page\].port", id="wrong type"),
        pytest.param('project = "No Spaces"\n', "project", id="not an id"),
        pytest.param('[broker]\nurl = "http://x"\n', "mqtt://HOST", id="wrong scheme"),
        pytest.param('[broker]\nurl = "mqtt://"\n', "mqtt://HOST", id="no host"),
        pytest.param('[broker]\nurl = "mqtt://x:99999"\n', r"\[broker\].url", id="bad port"),
        pytest.param('[broker]\nurl = "mqtt://x/topic"\n', "ends after the port", id="a path"),
        pytest.param('[broker]\nprotocol = "4"\n', r"\[broker\].protocol", id="wrong version"),
        pytest.param('page = "dark"\n', "page", id="not a table"),
        pytest.param('[page]\ntime_zone = "Kenya time"\n', "such as Africa/Nairobi", id="no zone"),
        pytest.param('[page]\ntime_zone = "Africa"\n', "such as Africa/Nairobi", id="half a zone"),
        pytest.param('[page]\nauth = "open"\n', r"\[page\].auth", id="no such way in"),
        pytest.param('[page]\nauth = "none"\nhost = "0.0.0.0"\n', "loopback", id="open to all"),
        pytest.param('[page]\nauth = "none"\npublic_url = "https://x"\n', "loopback", id="proxied"),
        pytest.param('[page]\npublic_url = "https://x/path"\n', "ends after the port", id="path"),
        pytest.param('[page]\npublic_url = "x.org"\n', "write https://NAME", id="no scheme"),
        pytest.param('[page]\ntrusted_proxies = ["x"]\n', "trusted_proxies", id="no address"),
        pytest.param("[sign_in]\nidle_hours = 0.0\n", r"\[sign_in\].idle_hours", id="no time"),
        pytest.param("[page\n", "not valid TOML", id="not TOML"),
    ],
)
def test_a_wrong_value_is_named(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings(file, {})


def test_a_password_in_the_url_is_refused_and_never_shown() -> None:
    with pytest.raises(ConfigError, match=PASSWORD_VARIABLE) as caught:
        load_settings(None, {"broker": {"url": "mqtt://ranger:s3cret@host"}})
    assert "s3cret" not in str(caught.value)


def test_a_missing_certificate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[broker\].ca_file: .* is not a file"):
        load_settings(None, {"broker": {"ca_file": str(tmp_path / "ca.pem")}})


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    certificate = tmp_path / "own.pem"
    certificate.write_text("x")
    with pytest.raises(ConfigError, match="belong together"):
        load_settings(None, {"broker": {"certificate_file": str(certificate)}})


def test_credentials_come_from_the_environment_and_are_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(USERNAME_VARIABLE, "ranger")
    monkeypatch.setenv(PASSWORD_VARIABLE, "s3cret")
    credentials = credentials_from_environment()
    assert credentials.password is not None
    assert credentials.password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(credentials)


def test_a_password_without_a_user_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(USERNAME_VARIABLE, raising=False)
    monkeypatch.setenv(PASSWORD_VARIABLE, "s3cret")
    with pytest.raises(ConfigError, match=USERNAME_VARIABLE):
        credentials_from_environment()


def test_a_broker_url_has_the_ports_of_its_scheme() -> None:
    assert parse_broker_url("mqtt://farm") == ("farm", 1883, False)
    assert parse_broker_url("mqtts://farm") == ("farm", 8883, True)
    assert parse_broker_url("mqtt://farm:99") == ("farm", 99, False)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("farm", False)],
)
def test_loopback_is_recognised(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
