"""What runs beside the pages: started with the server, and ended in order with it."""

from __future__ import annotations

from typing import Protocol


class Worker(Protocol):
    """A thread of the dashboard, with one supervised boundary of its own."""

    def start(self) -> None:
        """Begin; returns at once."""

    def stop(self) -> None:
        """End, and wait a few seconds for that."""
