"""Device, network, broker and dashboard of one run; each fault is an act on them."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.chaos_case.device import Order
from benchmarks.chaos_case.network import Network
from benchmarks.chaos_case.plan import Fault, Strike
from support.brokers import Broker, free_port
from support.dashboards import PROJECT, dashboard_command

TEN_YEARS_S = 10 * 365.25 * 86_400
_CONFIG = """
device_id = "jetson-1"
project = "{project}"
deployment_id = "ridge-2026"
state = "{state}"
[mqtt]
url = "mqtt://127.0.0.1:{port}"
keepalive_s = 5
retry_max_s = 1.0
[uplink]
resend_s = 2.0
"""


class Service:
    """A process that is killed and started again."""

    def __init__(self, words: list[str], log: Path) -> None:
        self._words, self._log = words, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it writes goes to its log."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log)

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it, if it still runs."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)

    @property
    def pid(self) -> int | None:
        """Of the process, as long as it runs."""
        runs = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and runs else None

    def has_ended(self) -> bool:
        """Say whether it came to its own end.

        Raises:
            RuntimeError: It failed: no fault may end a process but a kill.
        """
        code = None if self._process is None else self._process.poll()
        if code:
            raise RuntimeError(f"ended with {code}: {self._words}\n{self._log.read_text()[-2000:]}")
        return code == 0


class World:
    """All processes of a run, in one folder.

    Args:
        folder: Where they write.
        seed: Of the detections.
        detections: How many.
        rate: Detections a second.
    """

    def __init__(self, folder: Path, seed: int, detections: int, rate: float) -> None:
        self._folder, self._seed, self._rate = folder, seed, rate
        self.state, self.committed = folder / "state", folder / "committed"
        self._clock, self._gate = folder / "clock", folder / "gate"
        self._broker = Broker(folder / "broker", persistence=True)
        self._network = Network((self._broker.host, self._broker.port))
        self._config = folder / "device.toml"
        self._config.write_text(
            _CONFIG.format(project=PROJECT, state=self.state, port=self._network.port)
        )
        self._right_clock()
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.database = folder / "detections.sqlite"
        options = ("--port", str(port), "--auth", "none")
        words = dashboard_command(folder, self._broker.url, *options)
        self._dashboard = Service(words, folder / "dashboard.log")
        self._uplink = self._service("uplink", detections)
        self._publisher = self._service("emit", detections)
        self._acts: dict[Fault, tuple[Callable[[], None], Callable[[], None]]] = {
            "publisher killed": (self._publisher.end, self._publisher.start),
            "uplink killed": (self._uplink.end, self._uplink.start),
            "broker killed": (self._broker.kill, self._broker.start),
            "broker's disk forgets": (self._forget, self._broker.start),
            "dashboard killed": (self._dashboard.end, self._dashboard.start),
            "network cut": (self._network.cut, self._network.mend),
            "network silent": (self._network.fall_silent, self._network.mend),
            "clock 10 years ahead": (lambda: self._set_clock(TEN_YEARS_S), self._right_clock),
            "clock 10 years back": (lambda: self._set_clock(-TEN_YEARS_S), self._right_clock),
        }

    def start_all(self, upto: int) -> None:
        """Start everything; the publisher begins at once.

        Args:
            upto: The last detection that may be committed before the first fault strikes.
        """
        _write(self._gate, upto)
        self._broker.start()
        self._dashboard.start()
        self._publisher.start()
        self._uplink.start()

    def strike(self, strike: Strike, upto: int) -> None:
        """Let a fault strike, last, and be over; meanwhile detections are committed.

        Args:
            strike: Which fault.
            upto: The last that may be committed before the next fault strikes.
        """
        begin, end = self._acts[strike.fault]
        begin()
        _write(self._gate, upto)
        time.sleep(strike.held_s)
        end()

    def pids(self) -> dict[str, int]:
        """Return the process ids of what runs, by name."""
        named = {
            "publisher": self._publisher.pid,
            "uplink": self._uplink.pid,
            "dashboard": self._dashboard.pid,
        }
        return {name: pid for name, pid in named.items() if pid is not None}

    def has_committed(self, count: int) -> bool:
        """Say whether the outbox has taken so many detections."""
        return self.count_committed() >= count

    def count_committed(self) -> int:
        """Return how many detections the outbox has taken."""
        try:
            with closing(self._open("ro")) as outbox:
                row = outbox.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
                return int((row.fetchone() or [0])[0])
        except sqlite3.OperationalError:  # the publisher has not made it yet
            return 0

    def is_receipted(self) -> bool:
        """Say whether all is published, and the outbox holds nothing any more.

        Raises:
            RuntimeError: A process failed of itself.
        """
        self._uplink.has_ended()
        self._dashboard.has_ended()
        return self._publisher.has_ended() and self.count_waiting() == 0

    def count_waiting(self) -> int:
        """Return how many rows and snapshots have no receipt."""
        with closing(self._open("ro")) as outbox:
            (rows,) = outbox.execute("SELECT count(*) FROM outbox").fetchone()
            (media,) = outbox.execute("SELECT count(*) FROM media").fetchone()
        return int(rows) + int(media)

    def lose_one(self, number: int) -> None:
        """Commit three more detections and take the middle one out behind the uplink's back.

        Args:
            number: Of the first of them.
        """
        self._uplink.end(signal.SIGTERM)
        _write(self._gate, number + 2)
        publisher = self._service("emit", number + 2)
        publisher.start()
        while not publisher.has_ended():
            time.sleep(0.1)
        with closing(self._open("rw")) as outbox, outbox:
            outbox.execute("DELETE FROM outbox WHERE seq = ?", (number + 1,))
        self._uplink.start()

    def stop(self) -> None:
        """End everything."""
        for service in (self._publisher, self._uplink, self._dashboard):
            service.end()
        self._broker.stop()
        self._network.close()

    def _service(self, command: str, upto: int) -> Service:
        order = Order(
            config=str(self._config),
            state=str(self.state),
            clock=str(self._clock),
            gate=str(self._gate),
            committed=str(self.committed),
            seed=self._seed,
            upto=upto,
            rate=self._rate,
        ).write(self._folder / f"{command}-{upto}.json")
        words = [sys.executable, "-m", "benchmarks.chaos_case.device", command, str(order)]
        return Service(words, self._folder / f"{command}.log")

    def _open(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.state / 'outbox.sqlite'}?mode={mode}", uri=True)

    def _forget(self) -> None:
        self._broker.kill()
        (self._broker.folder / "mosquitto.db").unlink(missing_ok=True)

    def _right_clock(self) -> None:
        self._set_clock(0)

    def _set_clock(self, off_by_s: float) -> None:
        _write(self._clock, off_by_s)


def _write(file: Path, number: float) -> None:
    """Let a process that reads it see the old number or the new one, and nothing between."""
    fresh = file.with_suffix(".new")
    fresh.write_text(str(number))
    fresh.replace(file)
