"""Work in a thread of its own, whose failure is the test's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def background(work: Callable[[], None], patience_s: float = 20.0) -> Iterator[None]:
    """Run something until it ends, which the block has to see to; raise what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(patience_s)
    assert not thread.is_alive(), "it does not end"
    if raised:
        raise raised[0]
