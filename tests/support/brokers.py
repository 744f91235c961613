"""A real mosquitto on a free loopback port: started, stopped, killed, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_START_S = 10.0


def free_port() -> int:
    """Return a TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """One mosquitto with its own folder; keeps its port over restarts.

    Attributes:
        folder: Configuration, log and stored sessions.
        settings: Further lines of `mosquitto.conf`; `allow_anonymous true` is replaced by them
            where they name a password file.
        persistence: Keep sessions over `kill` and `start` (saved on every change).
    """

    folder: Path
    settings: tuple[str, ...] = ()
    persistence: bool = False
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The broker's address for `--broker`."""
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "mosquitto.conf"
        file.write_text("\n".join(self._lines()) + "\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["mosquitto", "-c", str(file)], stdout=log, stderr=log, env=_without_notify()
            )
        self._wait_until_it_listens()

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start()

    def suspend(self) -> None:
        """Stop it from running, with all its connections open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on after `suspend`."""
        self._signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "mosquitto.log").read_text(errors="replace")

    def _lines(self) -> list[str]:
        lines = [f"listener {self.port} {self.host}", "log_type all"]
        if os.geteuid() == 0:  # else it would change to a user that cannot read the folder
            lines.append("user root")
        if not any(line.startswith("allow_anonymous") for line in self.settings):
            lines.append("allow_anonymous true")
        if self.persistence:
            lines += [
                "persistence true",
                f"persistence_location {self.folder}/",
                "autosave_on_changes true",
                "autosave_interval 1",
            ]
        return [*lines, *self.settings]

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                socket.create_connection((self.host, self.port), timeout=0.2).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"mosquitto did not start:\n{self.log}")

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._signal(signal.SIGCONT)  # a suspended process would not see SIGTERM
            self._signal(number)
            self._process.wait(timeout=10)
            self._process = None


@contextmanager
def running_broker(
    folder: Path, *, settings: tuple[str, ...] = (), persistence: bool = False
) -> Iterator[Broker]:
    """Yield a started broker, and stop it at the end.

    Args:
        folder: Where it may write.
        settings: Further lines of `mosquitto.conf`.
        persistence: Keep sessions over a kill.
    """
    broker = Broker(folder, settings, persistence)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _without_notify() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
