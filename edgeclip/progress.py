"""Progress on stderr: bars where a person looks at it, else a plain line a stage for the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bars:
    """The stages of a command; use it as a context manager."""

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare the bars.

        Args:
            quiet: Show nothing, also on a terminal.
            clock: Seconds, never going back.
        """
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._quiet = quiet
        self._writes_lines = not quiet and not self._console.is_terminal
        self._clock, self._began = clock, clock()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Write a line above the bars, as progress is."""
        if not self._quiet:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def add(self, description: str, total: int) -> Callable[[int], None]:
        """Start a bar, or write its line.

        Returns:
            What to call with the number of items done since the last call.
        """
        if self._writes_lines:
            line = f"[{self._clock() - self._began:.0f} s] {description}: {total}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        task = self._progress.add_task(description, total=total)
        return lambda count: self._progress.advance(task, count)
