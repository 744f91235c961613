"""The demo's commands as a user types them, and its broker."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from edgeclip.errors import EdgeclipError, SetupError

BIN = Path(sys.executable).parent
_START_S = 40.0


@dataclass(frozen=True)
class Broker:
    """A running MQTT broker on this machine.

    Attributes:
        name: `mosquitto` or `amqtt`.
        protocol: The MQTT version that it speaks.
    """

    url: str
    name: str
    protocol: str


class Commands:
    """Run commands of `.venv/bin` in a folder, as printed; keep what they write in its `logs/`."""

    def __init__(self, out: Path, console: Console) -> None:
        self.out = out
        self.console = console
        self.logs = out / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)

    def run(self, title: str, *words: str | Path) -> dict[str, Any]:
        """Run a command to its end with --json, and return the document that it prints.

        Raises:
            EdgeclipError: It failed; the message holds its last line and where its log is.
        """
        typed = self._announce(title, words)
        started = time.monotonic()
        with self.console.status(title):
            done = subprocess.run(
                [BIN / typed[0], *typed[1:], "--json"],
                cwd=self.out,
                capture_output=True,
                text=True,
                check=False,
            )
        log = self.logs / f"{len(list(self.logs.iterdir())):02}-{words[0]}-{words[1]}.log"
        log.write_text(f"{done.stdout}\n{done.stderr}")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise EdgeclipError(f"{title} failed: {last} (log: {log})")
        self.console.print(f"  done in {time.monotonic() - started:.1f} s")
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    @contextlib.contextmanager
    def background(self, title: str, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command while the block lasts; end it with SIGTERM."""
        typed = self._announce(title, words)
        program = "mosquitto" if typed[0] == "mosquitto" else BIN / typed[0]
        with (self.logs / f"{typed[0]}.log").open("ab") as log:
            process = subprocess.Popen([program, *typed[1:]], cwd=self.out, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def _announce(self, title: str, words: tuple[str | Path, ...]) -> list[str]:
        """Print a command and return its words, with paths relative to the folder."""
        shown = [self._short(word) for word in words]
        self.console.print(f"\n[bold]{title}[/bold]")
        self.console.print(f"  $ {shlex.join(shown)}", style="dim", highlight=False)
        return shown

    def _short(self, word: str | Path) -> str:
        is_ours = isinstance(word, Path) and word.is_relative_to(self.out)
        return str(Path(word).relative_to(self.out)) if is_ours else str(word)


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def broker_for(commands: Commands, port: int) -> Iterator[Broker]:
    """Start mosquitto where it is installed, else the embedded broker, for the block."""
    url = f"mqtt://127.0.0.1:{port}"
    if shutil.which("mosquitto"):
        config = commands.out / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        start = commands.background("Broker: mosquitto", "mosquitto", "-c", config)
        broker = Broker(url, "mosquitto", "5")
    else:
        words = ("edgeclip-dashboard", "broker", "--port", str(port))
        start = commands.background("Broker: mosquitto is not installed, so amqtt", *words)
        broker = Broker(url, "amqtt", "3.1.1")
    with start as process:
        wait_for_port(port, process)
        yield broker


def seconds(moment: str) -> float:
    """Return a time in RFC 3339 as seconds since 1970."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a program that was started listens.

    Raises:
        SetupError: It ended, or took longer than 40 s.
    """

    def is_open() -> bool:
        if process.poll() is not None:
            raise SetupError(f"port {port}: the program ended at once: see logs/ in the output")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(is_open, f"port {port}")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; connections that are refused meanwhile do not count.

    Raises:
        SetupError: It did not within 40 s.
    """
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(0.1)
    raise SetupError(f"{what} was not there after {_START_S:.0f} s: see logs/ in the output")
