"""From a commit to the open pages: one reader for all of them, woken by events."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timezone

from sqlalchemy.exc import SQLAlchemyError

from edgeclip_dashboard.queries import Picture

log = logging.getLogger(__name__)

_BETWEEN_READS_S = 0.15  # a burst of commits is shown as one change
_SAFETY_POLL_S = 15.0
_MOST_SHOWN = 10_000

Listener = Callable[[], bool]
"""Shows the feed's picture; says whether someone is looking."""


class LiveFeed:
    """Holds the newest picture of the store and tells the open pages of a new one.

    All but `changed` is for the event loop's thread.

    Args:
        read: Reads a picture; called in a worker thread.
    """

    def __init__(self, read: Callable[[], Picture]) -> None:
        self._read = read
        self._listeners: list[Listener] = []
        self._shown: OrderedDict[tuple[str, int], datetime] = OrderedDict()
        self._first_shown: OrderedDict[str, datetime] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self.picture: Picture | None = None
        self.error: str | None = None

    def changed(self) -> None:
        """Note, from any thread, that there is something new to show."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake.set)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Add a page; return what removes it again."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def shown_at(self, detection_id: str, rev: int) -> datetime | None:
        """Return when a revision was first pushed to an open page since this start, or None."""
        return self._shown.get((detection_id, rev))

    def first_shown_at(self, detection_id: str) -> datetime | None:
        """Return when any revision of a detection was first pushed to an open page, or None."""
        return self._first_shown.get(detection_id)

    def note_shown(self) -> None:
        """Note that the newest picture is on someone's page."""
        now = datetime.now(timezone.utc)
        for view in self.picture.detections if self.picture else ():
            self._shown.setdefault((view.detection_id, view.rev), now)
            self._first_shown.setdefault(view.detection_id, now)
        for times in (self._shown, self._first_shown):
            while len(times) > _MOST_SHOWN:
                times.popitem(last=False)

    async def run(self) -> None:
        """Read and tell until cancelled: at every change, and every 15 s in case one was lost."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            try:
                await self._refresh()
            except Exception:  # the task's one supervised boundary
                log.exception("the live pages could not be updated; trying again")
            await asyncio.sleep(_BETWEEN_READS_S)
            try:
                await asyncio.wait_for(self._wake.wait(), _SAFETY_POLL_S)
            except asyncio.TimeoutError:
                continue

    async def _refresh(self) -> None:
        try:
            self.picture = await asyncio.to_thread(self._read)
            self.error = None
        except SQLAlchemyError as error:
            log.error("the store cannot be read: %s", error)
            self.error = f"the store cannot be read: {type(error).__name__}, see the log"
        seen = [_tell(listener) for listener in list(self._listeners)]
        if any(seen):
            self.note_shown()


def _tell(listener: Listener) -> bool:
    """Show the picture on one page; a page that breaks must not stop the others."""
    try:
        return listener()
    except Exception:  # one page's supervised boundary: whatever a browser's page can raise
        log.exception("a page could not be updated")
        return False
