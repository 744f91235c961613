from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

from edgeclip_dashboard.counting import Counts
from edgeclip_dashboard.feed import LiveFeed
from edgeclip_dashboard.queries import Picture
from support.dashboards import sample

if TYPE_CHECKING:
    from dashboard.conftest import Desk

EMPTY = Picture((), (), Counts(0, 0, 0, 0, 0))


def _while_running(feed: LiveFeed, body: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        task = asyncio.create_task(feed.run())
        try:
            await asyncio.wait_for(body(), 10)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(run())


async def _until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_a_change_from_another_thread_reaches_the_listeners(desk: Desk) -> None:
    told: list[int] = []
    feed = LiveFeed(desk.picture)

    def listener() -> bool:
        told.append(len(feed.picture.detections) if feed.picture else -1)
        return False

    def commit() -> None:
        desk.commit(sample())
        feed.changed()

    async def body() -> None:
        feed.listen(listener)
        await _until(lambda: told == [0])
        await asyncio.to_thread(commit)
        await _until(lambda: told == [0, 1])

    _while_running(feed, body)
    assert told == [0, 1]


def test_a_detection_is_shown_once_someone_looks(desk: Desk) -> None:
    detection = sample()
    desk.commit(detection)
    feed = LiveFeed(desk.picture)
    seen: list[bool] = []

    def listener(is_looking: bool) -> bool:
        seen.append(feed.shown_at(detection.detection_id, 0) is None)
        return is_looking

    async def body() -> None:
        remove = feed.listen(lambda: listener(is_looking=False))
        await _until(lambda: seen)
        assert feed.shown_at(detection.detection_id, 0) is None
        remove()
        feed.listen(lambda: listener(is_looking=True))
        feed.changed()
        await _until(lambda: feed.shown_at(detection.detection_id, 0))

    _while_running(feed, body)
    assert feed.shown_at(detection.detection_id, 0) is not None
    assert feed.shown_at(detection.detection_id, 1) is None
    assert feed.first_shown_at(detection.detection_id) == feed.shown_at(detection.detection_id, 0)


def test_a_store_that_cannot_be_read_is_reported_and_then_forgotten() -> None:
    failures = [OperationalError("SELECT", {}, Exception("disk I/O error"))]

    def read() -> Picture:
        if failures:
            raise failures.pop()
        return EMPTY

    feed = LiveFeed(read)
    errors: list[str | None] = []

    def listener() -> bool:
        errors.append(feed.error)
        return False

    async def body() -> None:
        feed.listen(listener)
        await _until(lambda: len(errors) == 1)
        feed.changed()
        await _until(lambda: len(errors) == 2)

    _while_running(feed, body)
    assert errors[0] is not None
    assert "cannot be read" in errors[0]
    assert errors[1] is None


def test_a_listener_that_fails_does_not_end_the_feed(desk: Desk) -> None:
    calls: list[int] = []
    feed = LiveFeed(desk.picture)

    def broken() -> bool:
        calls.append(1)
        raise RuntimeError("a page went away")

    async def body() -> None:
        feed.listen(broken)
        await _until(lambda: calls)
        feed.changed()
        await _until(lambda: len(calls) == 2)

    _while_running(feed, body)
    assert len(calls) == 2


def test_changes_before_the_start_are_harmless() -> None:
    LiveFeed(lambda: EMPTY).changed()


def test_a_page_that_breaks_does_not_stop_the_others() -> None:
    feed = LiveFeed(lambda: EMPTY)
    told: list[str] = []

    def broken() -> bool:
        raise RuntimeError("this page is gone")

    def whole() -> bool:
        told.append("whole")
        return True

    async def body() -> None:
        await _until(lambda: told)

    feed.listen(broken)
    feed.listen(whole)
    _while_running(feed, body)
    assert told
