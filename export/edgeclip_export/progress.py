"""A build's phases: as bars on a terminal, else as one line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_SHOWN_DEPTH = 3  # deeper phases come and go in milliseconds
LINE_EVERY_S = 5.0


class SilentProgress:
    """Hears of phases and shows nothing."""

    def phase_started(self, name: str, parent: str | None, steps: int) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""

    def step_done(self, name: str, step: int) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""

    def phase_finished(self, name: str) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""

    def waiting(self) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""


class LineProgress:
    """A line every `LINE_EVERY_S` seconds: where the build is, and since when.

    Args:
        write: Takes a line.
        clock: Seconds that never go back.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._began = self._last = clock()
        self._phases: dict[str, tuple[int, int]] = {}

    def phase_started(self, name: str, parent: str | None, steps: int) -> None:  # noqa: ARG002 - the interface's
        """See `edgeclip_export.engine.BuildProgress`."""
        self._phases[name] = (0, steps)

    def step_done(self, name: str, step: int) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""
        if name in self._phases:
            self._phases[name] = (step + 1, self._phases[name][1])

    def phase_finished(self, name: str) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""
        self._phases.pop(name, None)

    def waiting(self) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""
        now = self._clock()
        if now - self._last < LINE_EVERY_S:
            return
        self._last = now
        phases = list(self._phases.items())  # a copy: the builder's thread goes on
        where = ", ".join(f"{name} {done}/{steps}" for name, (done, steps) in phases[:_SHOWN_DEPTH])
        self._write(f"building for {now - self._began:.0f} s: {where or 'reading the graph'}")


class BarProgress:
    """A bar for each phase that is running, indented under its parent, on a terminal.

    TensorRT calls it from its own thread and may end a process in which a callback raises, so it
    takes phases that it does not know without complaint.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._phases: dict[str, tuple[TaskID | None, int]] = {}

    def __enter__(self) -> BarProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def phase_started(self, name: str, parent: str | None, steps: int) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""
        _, above = self._phases.get(parent or "", (None, -1))
        depth = above + 1
        shown = depth < _SHOWN_DEPTH
        task = self._progress.add_task("  " * depth + name, total=steps) if shown else None
        self._phases[name] = (task, depth)

    def step_done(self, name: str, step: int) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""
        task, _ = self._phases.get(name, (None, 0))
        if task is not None:
            self._progress.update(task, completed=step + 1)

    def phase_finished(self, name: str) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""
        task, _ = self._phases.pop(name, (None, 0))
        if task is not None:
            self._progress.remove_task(task)

    def waiting(self) -> None:
        """See `edgeclip_export.engine.BuildProgress`; the bars move by themselves."""
