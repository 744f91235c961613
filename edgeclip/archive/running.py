"""All parts of an archive that are missing, by the threads of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event

from edgeclip.archive.journal import Journal
from edgeclip.archive.part_work import PartWork
from edgeclip.archive.records import Record
from edgeclip.archive.stores import Listed


class _StoppedError(Exception):
    """Ends the threads' work after the batch at hand."""


def run_here(
    journal: Journal, work: PartWork, *, workers: int, advance: Callable[[int], None]
) -> None:
    """Do what is missing; each worker does a part by itself, on one core.

    Args:
        journal: Takes the parts.
        work: How one is done.
        workers: Threads, >= 1.
        advance: Told how many images are done; from any of the threads.

    Raises:
        BackendError: The runtime failed.
        SetupError: The journal cannot be written.
    """
    stopping = Event()

    def do(images: list[Listed]) -> list[Record]:
        def counted(count: int) -> None:
            advance(count)
            if stopping.is_set():
                raise _StoppedError

        return work.do(images, counted)

    with ThreadPoolExecutor(workers) as threads, _set_at_the_end(stopping):
        running: dict[Future[list[Record]], int] = {}
        for part, images in journal.listed(journal.missing()):
            running[threads.submit(do, images)] = part
            if len(running) > workers:  # one waits, so that no thread does
                _take(journal, running)
        while running:
            _take(journal, running)


@contextmanager
def _set_at_the_end(event: Event) -> Iterator[None]:
    try:
        yield
    finally:
        event.set()  # before the threads are waited for, also after Ctrl-C


def _take(journal: Journal, running: dict[Future[list[Record]], int]) -> None:
    """Write what is done first."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        journal.write(running.pop(future), future.result())
