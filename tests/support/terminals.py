"""A person's terminals: each a shell that keeps its folder and its environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_DONE = "the-prompt-is-back"
_END_S = 20.0


class Terminal:
    """One bash in a session of its own, with all that it shows in a file.

    Args:
        name: Of its log.
        folder: Where it is opened.
        environment: All of it.
    """

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._log = folder.parent / f"{name}-terminal.log"
        with self._log.open("wb") as log:
            self._shell = subprocess.Popen(
                ["bash", "--norc", "-u"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        self._read_to = 0

    @property
    def shown(self) -> str:
        """What it has shown since the last commands were typed."""
        return self._log.read_bytes()[self._read_to :].decode(errors="replace")

    def type(self, commands: str) -> None:
        """Type commands, and do not wait for them."""
        self._read_to = self._log.stat().st_size
        watched = f"failed=0; trap 'failed=$?' ERR\n{commands}\ntrap - ERR"
        text = f"{{ {watched}\n}} </dev/null; echo {_DONE} $failed\n"
        assert self._shell.stdin is not None
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def exit_code(self) -> int | None:
        """Return how the last commands ended: 0 if all of them did; None while they run."""
        for line in self.shown.splitlines():
            if line.startswith(_DONE):
                return int(line.split()[1])
        return self._shell.poll()

    def interrupt(self) -> None:
        """Press Ctrl-C: what runs in front is interrupted, the shell stays."""
        children = Path(f"/proc/{self._shell.pid}/task/{self._shell.pid}/children").read_text()
        for child in children.split():
            os.kill(int(child), signal.SIGINT)

    def close(self) -> None:
        """Close it, and end whatever still runs in it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._shell.pid, number)
            with contextlib.suppress(AssertionError):
                wait_for(lambda: not self._has_living(), what=str, patience_s=_END_S)
        if self._shell.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._shell.stdin.close()
        self._shell.wait(_END_S)

    def _has_living(self) -> bool:
        self._shell.poll()
        try:
            os.killpg(self._shell.pid, 0)
        except ProcessLookupError:
            return False
        return True


@contextlib.contextmanager
def terminals(folder: Path, environment: Mapping[str, str]) -> Iterator[Callable[[str], Terminal]]:
    """Yield what opens a terminal by its name, or finds it open; all are closed at the end.

    Args:
        folder: Where each is opened; their logs lie beside it.
        environment: Of each.
    """
    opened: dict[str, Terminal] = {}

    def named(name: str) -> Terminal:
        if name not in opened:
            opened[name] = Terminal(name, folder, environment)
        return opened[name]

    try:
        yield named
    finally:
        for terminal in reversed(opened.values()):
            terminal.close()


def wait_for(
    condition: Callable[[], object], *, what: Callable[[], str], patience_s: float
) -> None:
    """Wait until a condition holds.

    Args:
        condition: Asked again and again.
        what: Says what was awaited, where it does not come.
        patience_s: How long.

    Raises:
        AssertionError: It did not in time.
    """
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen in {patience_s:.0f} s: {what()}")
        time.sleep(0.1)
