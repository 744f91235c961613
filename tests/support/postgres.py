"""A private PostgreSQL on a free loopback port, in a folder of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.brokers import free_port

_START_S = 30.0
_SUPERUSER = "edgeclip"
_DISTRIBUTION = Path("/usr/lib/postgresql")  # Debian keeps a folder a version, not on PATH


def postgres_programs() -> Path | None:
    """Return the folder of `initdb` and `postgres`, the newest there is."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(_DISTRIBUTION.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return folders[-1].parent if folders else None


@dataclass
class Postgres:
    """One server; every database in it is fresh.

    Attributes:
        folder: Its data, log and configuration.
        durable: Whether commits wait for the disk; tests need no power cut.
    """

    folder: Path
    durable: bool = False
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def pid(self) -> int:
        """The server's process number."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def start(self) -> None:
        """Make the cluster where there is none, start the server, wait until it answers."""
        data, programs = self.folder / "data", postgres_programs()
        if programs is None:
            raise RuntimeError("there is no PostgreSQL on this machine")
        with (self.folder / "postgres.log").open("ab") as log:
            if not data.exists():
                command = [str(programs / "initdb"), "-D", str(data), "-U", _SUPERUSER]
                command += ["-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
                subprocess.run(command, check=True, stdout=log, stderr=log, user=_user())
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", data, *self._options()],
                stdout=log,
                stderr=log,
                user=_user(),
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End it; open connections are closed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            self._process.wait(30)
            self._process = None

    def new_database(self) -> str:
        """Return the SQLAlchemy address of a fresh, empty database."""
        name = f"edgeclip_{next(self._numbers)}"
        import psycopg

        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://{_SUPERUSER}@127.0.0.1:{self.port}/{name}"

    @property
    def _address(self) -> str:
        return f"postgresql://{_SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def _options(self) -> list[str]:
        options = {"port": self.port, "listen_addresses": "127.0.0.1"}
        options |= {"unix_socket_directories": "", "max_connections": 100}
        if not self.durable:
            options |= {"fsync": "off", "full_page_writes": "off"}
        return [part for key, value in options.items() for part in ("-c", f"{key}={value}")]

    def _wait_until_it_answers(self) -> None:
        import psycopg

        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            try:
                psycopg.connect(self._address, connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(
            "PostgreSQL did not start: " + (self.folder / "postgres.log").read_text()
        )


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Yield a started server, and remove it at the end.

    Args:
        durable: Commits wait for the disk, as they do in the field.
    """
    folder = Path(tempfile.mkdtemp(prefix="edgeclip-postgres-"))  # tmp_path is root's alone
    user = _user()
    if user is not None:
        shutil.chown(folder, user)
    server = Postgres(folder, durable)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _user() -> str | None:
    """Return whom it runs as: PostgreSQL refuses root."""
    return "postgres" if os.geteuid() == 0 else None
