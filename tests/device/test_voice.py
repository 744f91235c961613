from __future__ import annotations

import pytest

from edgeclip_device.capture.voice import Voice


def test_a_password_is_masked_wherever_it_stands() -> None:
    voice = Voice("camera", ["p@ss", "p%40ss"])
    line = "open rtsp://me:p%40ss@camera/1 with user-pw=p@ss failed"
    assert voice.masked(line) == "open rtsp://camera/1 with user-pw=*** failed"


def test_an_error_without_end_is_counted_after_twenty_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    now = [0.0]
    voice = Voice("camera", [], clock=lambda: now[0])
    for _ in range(500):
        voice.say("nvbuf_utils: dmabuf_fd -1 mapped entry NOT found")
    assert caplog.text.count("nvbuf_utils") == 20
    now[0] = 60.0
    voice.say("again")
    assert "480 more lines were not written" in caplog.text
    assert "again" in caplog.text
