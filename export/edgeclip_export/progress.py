"""A build's phases as progress bars, on a terminal only."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_SHOWN_DEPTH = 3  # deeper phases come and go in milliseconds


class SilentProgress:
    """Hears of phases and shows nothing."""

    def phase_started(self, name: str, parent: str | None, steps: int) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""

    def step_done(self, name: str, step: int) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""

    def phase_finished(self, name: str) -> None:
        """See `edgeclip_export.engine.BuildProgress`."""


class BarProgress:
    """A bar for each phase that is running, indented under its parent, on stderr.

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
            disable=not console.is_terminal,
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
