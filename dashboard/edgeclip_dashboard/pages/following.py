"""A part of a page that follows the database: read in a thread, shown where it has changed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError

from edgeclip_dashboard.pages.context import PageContext

log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0  # how often at most a page reads, however much is stored
_TICK_S: Final = 30.0  # what is told as "ago" is told anew

ValueT = TypeVar("ValueT")


class Following(Generic[ValueT]):
    """Shows what `read` returns, and again whenever it returns something else.

    Made inside a page; ends with it.

    Args:
        context: The running dashboard; its feed says when something was stored.
        read: Reads the database; called in a worker thread.
        show: Builds or changes elements; called in the page's event loop.
        every_s: How often at most; longer for what grows with the fleet.
    """

    def __init__(
        self,
        context: PageContext,
        read: Callable[[], ValueT],
        show: Callable[[ValueT], None],
        every_s: float = _EVERY_S,
    ) -> None:
        self._read = read
        self._show = show
        self._client = ui.context.client
        self._is_due = False
        self._shown_at = time.monotonic()
        self._lock = asyncio.Lock()
        self._client.on_delete(context.feed.listen(self._on_change))
        ui.timer(every_s, self._look, immediate=False)

    async def begin(self) -> ValueT:
        """Read and show for the first time.

        Raises:
            SQLAlchemyError: The database cannot be read.
        """
        value = await asyncio.to_thread(self._read)
        self._show(value)
        return value

    def refresh(self) -> None:
        """Read again soon: something else is asked for."""
        self._is_due = True

    def _on_change(self) -> bool:
        self._is_due = True
        return False  # no detection is shown by this

    async def _look(self) -> None:
        is_old = time.monotonic() - self._shown_at >= _TICK_S
        if self._lock.locked() or not (self._is_due or is_old):
            return
        async with self._lock:
            self._is_due, self._shown_at = False, time.monotonic()
            try:
                value = await asyncio.to_thread(self._read)
            except SQLAlchemyError as error:
                log.warning("a page cannot be brought up to date: %s", error)
                return
            with self._client:
                self._show(value)
