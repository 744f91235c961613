"""A thread that does its round whenever it is woken, and every few seconds or as told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0
_PATIENCE_S: Final = 5.0

Round = Callable[[Callable[[], bool]], None]
"""Does what is due; asks in between whether to go on."""


class Rounds:
    """Goes round until it is stopped; what a round raises is logged, and the next one comes.

    Args:
        name: Of the thread.
        go_round: One round.
        every_s: Between two rounds, where nobody wakes it.
    """

    def __init__(self, name: str, go_round: Round, *, every_s: float = _LOOK_EVERY_S) -> None:
        self._name = name
        self._every_s = every_s
        self._go_round = go_round
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is at hand; the rest is due at the next start."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(_PATIENCE_S)

    def wake(self) -> None:
        """Have a round at once, from any thread."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._go_round(lambda: not self._stopping.is_set())
            except SQLAlchemyError as error:
                log.error("%s: the store cannot be read or written: %s", self._name, error)
            except Exception:  # the thread's one supervised boundary
                log.exception("%s failed; it goes on with the next round", self._name)
            self._wake.wait(self._every_s)
