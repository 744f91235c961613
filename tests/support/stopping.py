"""Runs of the trainer that are stopped on the way: by a key, by a signal, at a step."""

from __future__ import annotations

from collections.abc import Callable

from edgeclip.fit_state import EVERY_S
from edgeclip.progress import Bars
from support.clocks import Stepping

TRAINING_PROCESS = """
import sys, time
from edgeclip.config import TrainConfig
from edgeclip.fit_state import EVERY_S
from edgeclip.progress import Bars
from edgeclip.trainer import train
from datetime import datetime
config = TrainConfig.model_validate_json(sys.argv[1])
at = datetime.fromisoformat(sys.argv[2])
train(config, created_at=at, bars=Bars(quiet=True), clock=lambda: 1000 * time.monotonic())
"""
"""A program that trains: its configuration as JSON and the pack's time are its arguments."""


class Stopping(Bars):
    """Bars of a run that is interrupted when one of them has come so far."""

    def __init__(self, bar: str, at: int) -> None:
        super().__init__(quiet=True)
        self._bar, self._left = bar, at

    def add(self, description: str, total: int) -> Callable[[int], None]:
        advance = super().add(description, total)

        def stopping(count: int) -> None:
            advance(count)
            if description == self._bar:
                self._left -= count
                if self._left <= 0:
                    raise KeyboardInterrupt

        return stopping


class Pressed(Stepping):
    """A clock at one of whose readings, in the middle of a fit, Ctrl-C is pressed."""

    def __init__(self, reading: int) -> None:
        super().__init__(EVERY_S)
        self._left = reading

    def __call__(self) -> float:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt
        return super().__call__()
