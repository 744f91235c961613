from __future__ import annotations

import pytest

from edgeclip.errors import ConfigError
from edgeclip_device.urls import (
    BrokerAddress,
    masked,
    parse_broker_url,
    refuse_password,
    with_credentials,
)


def test_the_usual_ports_need_not_be_named() -> None:
    assert parse_broker_url("mqtt://broker") == BrokerAddress("broker", 1883, False)
    assert parse_broker_url("mqtts://broker/") == BrokerAddress("broker", 8883, True)
    assert parse_broker_url("mqtt://[::1]:1884") == BrokerAddress("::1", 1884, False)


@pytest.mark.parametrize(
    "url", ["broker:1883", "tcp://broker", "mqtt://", "mqtt://broker/x", "mqtt://broker?a=1", ""]
)
def test_anything_else_is_no_broker(url: str) -> None:
    with pytest.raises(ValueError, match="broker"):
        parse_broker_url(url)


def test_a_masked_url_has_neither_user_nor_password_nor_query() -> None:
    assert masked("rtsp://me:secret@camera:554/1?token=abc") == "rtsp://camera:554/1"
    assert masked("/dev/video0") == "/dev/video0"


def test_credentials_with_odd_characters_stay_in_their_place() -> None:
    url = with_credentials("rtsp://camera/1", "me", "p@ss/word:1")
    assert url == "rtsp://me:p%40ss%2Fword%3A1@camera/1"


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://me:secret@camera/1",
        "rtspsrc location=rtsp://me:secret@camera/1 ! decodebin ! appsink",
        "rtspsrc location=rtsp://camera/1 user-id=me user-pw=secret ! decodebin ! appsink",
    ],
    ids=["url", "url in a pipeline", "property of a pipeline"],
)
def test_a_source_that_holds_a_password_is_refused(source: str) -> None:
    with pytest.raises(
        ConfigError, match=r"\[camera\]\.source holds a password: take it out"
    ) as caught:
        refuse_password(source, "source", "options")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "source", ["rtsp://camera/1", "v4l2src device=/dev/video0 ! videoconvert ! appsink", "0"]
)
def test_a_source_without_a_password_is_taken(source: str) -> None:
    refuse_password(source, "source", "options")
