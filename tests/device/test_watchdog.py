"""Whom the watchdog is fed by: frames, inference and the outbox, never the link."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.preprocess_spec import Box
from edgeclip_device.config import DeviceSettings
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.heads import Classification
from edgeclip_device.notify import Notifier
from edgeclip_device.rollout.shadow import Classifies

Make = Callable[..., DeviceSettings]
LIMIT_S = 0.2
_NOTHING: Mapping[str, str] = {}


class Blocking:
    """A classifier whose first frame waits until it is let go."""

    def __init__(self, inner: Classifies) -> None:
        self._inner = inner
        self.is_blocked, self.let_go = threading.Event(), threading.Event()

    def classify(
        self, image: NDArray[np.uint8], crop: Box | None, facts: Mapping[str, str] = _NOTHING
    ) -> list[Classification]:
        """Wait, then classify."""
        self.is_blocked.set()
        self.let_go.wait(20)
        return self._inner.classify(image, crop, facts)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket on which systemd would hear."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(0.1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(round(LIMIT_S * 1e6)))
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield heard


class Listening:
    """Hears all along: a socket that nobody reads fills up, and then whoever speaks waits."""

    def __init__(self, systemd: socket.socket) -> None:
        self._systemd = systemd
        self.words: list[bytes] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def fed(self) -> int:
        """Return how often the watchdog was fed so far."""
        return self.words.count(b"WATCHDOG=1")

    def close(self) -> None:
        """Stop listening."""
        self._done.set()
        self._thread.join(10)

    def _listen(self) -> None:
        while not self._done.is_set():
            with suppress(TimeoutError):
                self.words.append(self._systemd.recv(500))


def test_a_detector_that_begins_anew_has_time_for_each_rung(
    make_settings: Make, still_clip: Path, systemd: socket.socket
) -> None:
    settings = make_settings(camera={"source": str(still_clip)})
    with closing(Listening(systemd)) as heard, closing(Notifier()) as notifier:
        for _ in range(2):
            with opened_detector(settings, notifier, DetectOptions()) as detector:
                detector.run(threading.Event())
        time.sleep(LIMIT_S)
    words = [word for word in heard.words if word.startswith((b"EXTEND", b"WATCHDOG_U"))]
    assert words == [
        *2 * [b"EXTEND_TIMEOUT_USEC=120000000"],  # the bundle is read, ONNX Runtime loads its graph
        b"EXTEND_TIMEOUT_USEC=60000000",  # and for the first frame
        *2 * [b"WATCHDOG_USEC=120000000"],
        b"WATCHDOG_USEC=200000",
    ]


def test_a_blocked_inference_starves_the_watchdog(
    make_settings: Make, crossing_clip: Path, systemd: socket.socket
) -> None:
    settings = make_settings(camera={"source": str(crossing_clip)})
    fed: list[int] = []
    with (
        closing(Listening(systemd)) as heard,
        closing(Notifier()) as notifier,
        opened_detector(settings, notifier, DetectOptions()) as detector,
    ):
        stages = detector.pipeline._stages
        blocking = Blocking(stages.classifier)
        detector.pipeline._stages = replace(stages, classifier=blocking)

        def watch() -> None:
            blocking.is_blocked.wait(20)
            time.sleep(LIMIT_S)  # what was said before has arrived
            fed.append(heard.fed())
            time.sleep(2 * LIMIT_S)
            fed.append(heard.fed())
            blocking.let_go.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        detector.run(threading.Event())
        watcher.join()
    assert fed[0] == fed[1]
    assert heard.fed() > fed[1]  # it goes on
