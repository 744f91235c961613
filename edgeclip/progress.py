"""Progress bars on stderr, and only where a person looks at it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bars:
    """A group of progress bars; use it as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Prepare the bars.

        Args:
            quiet: Show nothing, also on a terminal.
        """
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )

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

    def add(self, description: str, total: int) -> Callable[[int], None]:
        """Start a bar; return what to call with the number of items done since the last call."""
        task = self._progress.add_task(description, total=total)
        return lambda count: self._progress.advance(task, count)
