"""A folder into which a camera's files come: an SD card, an FTP or SMTP drop. It has no end.

A file is taken once it has kept its size and time for a while and has its end. Done files are
remembered; what is none of a camera's files is named once and passed over.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from pathlib import Path

from edgeclip.errors import SourceError
from edgeclip_device.capture.faults import CameraFaultError
from edgeclip_device.clock import boot_now_ns
from edgeclip_device.frames import Frame, NothingYet
from edgeclip_device.sources.done_files import DoneFiles, Stamp
from edgeclip_device.sources.folder_scan import Found, scan, stamp_of
from edgeclip_device.sources.image_files import IMAGE_SUFFIXES, CutShortError, read_image
from edgeclip_device.sources.video import VideoSource, VideoTiming

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = {".avi", ".mp4", ".mov", ".mkv", ".m4v", ".mpg", ".mts"}
_SLICE_S = 0.5
_SCAN_SHARE = 10  # a scan of a large folder takes at most so much of the time: a tenth
_VIDEO_SHARE = 5  # a long file that comes by radio pauses for longer
_JUMP_S = 3600.0  # a clock that steps back: another camera, or another time
_MOST_NAMED = 20
_MOST_TRIES = 3


@dataclass(frozen=True)
class Watching:
    """How a folder is watched.

    Attributes:
        zone: Of the camera's clock, for EXIF times without one.
        interval_s: Between two images of which no time is known.
        max_fps: Frames a second of a video that are looked at.
        scan_s: How often the folder is looked through.
        settle_s: So long must a file stay as it is.
        patience_s: So long is a file without its end waited for.
    """

    zone: tzinfo
    interval_s: float
    max_fps: float
    scan_s: float = 2.0
    settle_s: float = 2.0
    patience_s: float = 60.0


class WatchedFolder:
    """Reads what comes into a folder and its subfolders, in the order of their names.

    Args:
        folder: It may be missing: a card that is not there is a failure that ends.
        done: Remembers what was read; closed with this.
        watching: How.
    """

    is_live = False

    def __init__(self, folder: Path, done: DoneFiles, watching: Watching) -> None:
        self.name = str(folder)
        self._folder, self._done, self._watching = folder, done, watching
        self._pending: dict[Path, tuple[Stamp, float]] = {}  # what it was, since when
        self._ready: deque[Found] = deque()
        self._given: Found | None = None
        self._clip: tuple[VideoSource, float] | None = None  # and at_s of its beginning
        self._scan_at_s = 0.0
        self._number = -1
        self._at_s, self._idle_since_s = 0.0, time.monotonic()
        self._taken_at: datetime | None = None
        self._shape: tuple[int, ...] | None = None
        self._says_no_time = True
        self._is_gone = False

    def read(self) -> Frame | NothingYet | None:
        """Return the next frame, or that there is none yet; it never ends.

        Raises:
            CameraFaultError: The folder is gone.
            SourceError: A file is damaged; reading again goes on with the next.
            OutboxError: What was read cannot be remembered.
        """
        frame = self._next_of_clip()
        if frame is not None:
            return frame
        if self._given is not None:  # its frame has been through the pipeline by now
            self._finish(self._given, "read")
        if not self._ready and time.monotonic() >= self._scan_at_s:
            self._scan()
        if not self._ready:
            time.sleep(min(_SLICE_S, max(0.0, self._scan_at_s - time.monotonic())))
            if self._is_gone:  # until it can be looked through again
                raise self._fault()
            return self._nothing()
        return self._open(self._ready.popleft())

    def close(self) -> None:
        """Close what is open. The last file is remembered by the next read alone."""
        if self._clip is not None:
            self._clip[0].close()
        self._done.close()

    def stopped_in_order(self) -> None:
        """Note that what ends the reading is no fault of the last file, which is read again."""
        if self._given is not None:
            self._done.forget_tries(self._given.path)

    def _nothing(self) -> NothingYet:
        return NothingYet(self._at_s + time.monotonic() - self._idle_since_s)

    def _finish(self, found: Found, verdict: str) -> None:
        self._given = None
        self._pending.pop(found.path, None)
        self._done.add(found.path, found.stamp, verdict)

    def _scan(self) -> None:
        began_s, watching = time.monotonic(), self._watching
        self._is_gone = not os.access(self._folder, os.R_OK | os.X_OK)
        if self._is_gone:
            self._scan_at_s = began_s + watching.scan_s
            raise self._fault()
        there: set[Path] = set()
        others: list[Found] = []
        for found in scan(self._folder, self._done.of_folder):
            if found.path.suffix.lower() not in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
                others.append(found)
                continue
            there.add(found.path)
            stamp, since_s = self._pending.get(found.path, (None, 0.0))
            if stamp != found.stamp:
                self._pending[found.path] = (found.stamp, began_s)
            elif began_s - since_s >= self._settle_s(found):
                self._ready.append(found)
        self._pending = {path: item for path, item in self._pending.items() if path in there}
        self._pass_over(others)
        took_s = time.monotonic() - began_s
        self._scan_at_s = began_s + max(watching.scan_s, _SCAN_SHARE * took_s)

    def _fault(self) -> CameraFaultError:
        advice = "is the card in, the share mounted, and may this user read it?"
        return CameraFaultError("camera_stalled", f"{self._folder} cannot be read: {advice}")

    def _settle_s(self, found: Found) -> float:
        """Return for how long a file must stay as it is; many a camera begins with an empty one."""
        if found.stamp[0] == 0:
            return self._watching.patience_s
        is_video = found.path.suffix.lower() in VIDEO_SUFFIXES
        return self._watching.settle_s * (_VIDEO_SHARE if is_video else 1)

    def _pass_over(self, others: list[Found]) -> None:
        for n, found in enumerate(others):
            if n < _MOST_NAMED:
                log.warning("%s is no image or video: passed over", self._folder / found.path)
            self._done.add(found.path, found.stamp, "other")
        if len(others) > _MOST_NAMED:
            log.warning("... and %d more files", len(others) - _MOST_NAMED)

    def _open(self, found: Found) -> Frame | NothingYet:
        path = self._folder / found.path
        if stamp_of(path) != found.stamp:  # it was written or taken away since
            return self._nothing()
        if self._done.count_try(found.path, found.stamp) > _MOST_TRIES:
            self._finish(found, "set aside")
            raise SourceError(
                f"{path} ended detect {_MOST_TRIES} times without a word: it is set aside, and"
                " read again once it has changed"
            )
        try:
            if path.suffix.lower() in VIDEO_SUFFIXES:
                return self._open_clip(found)
            file = read_image(path, self._watching.zone)
        except CutShortError:
            waited_s = time.monotonic() - self._pending[found.path][1]
            if waited_s < self._watching.patience_s:
                self._done.forget_tries(found.path)
                return self._nothing()
            self._finish(found, "cut short")
            raise
        except SourceError:
            self._finish(found, "damaged")
            raise
        self._given = found
        taken_at = file.taken_at or self._time_of_change(found)
        self._advance(taken_at)
        is_new_view = self._shape is not None and file.image.shape != self._shape
        self._shape = file.image.shape
        self._number += 1
        return Frame(
            image=file.image,
            number=self._number,
            at_s=self._at_s,
            captured_at=taken_at,
            read_ns=time.monotonic_ns(),
            boot_ns=boot_now_ns(),
            is_new_view=is_new_view,
        )

    def _open_clip(self, found: Found) -> Frame | NothingYet:
        start = self._time_of_change(found)
        clip = VideoSource(self._folder / found.path, VideoTiming(start, self._watching.max_fps))
        self._given, self._shape = found, ()
        self._advance(start)
        self._clip = (clip, self._at_s)
        return self._next_of_clip() or self._nothing()

    def _next_of_clip(self) -> Frame | None:
        if self._clip is None:
            return None
        clip, begins_at_s = self._clip
        try:
            frame = clip.read()
        except SourceError:
            self._end_clip("damaged")
            raise
        if frame is None:
            self._end_clip("read")
            return None
        self._number += 1
        self._at_s, self._idle_since_s = begins_at_s + frame.at_s, time.monotonic()
        return Frame(
            image=frame.image,
            number=self._number,
            at_s=self._at_s,
            captured_at=frame.captured_at,
            read_ns=frame.read_ns,
            boot_ns=frame.boot_ns,
            is_new_view=frame.number == 0,
        )

    def _end_clip(self, verdict: str) -> None:
        if self._clip is not None:
            self._clip[0].close()
        self._clip = None
        if self._given is not None:
            self._finish(self._given, verdict)

    def _time_of_change(self, found: Found) -> datetime:
        if self._says_no_time:
            self._says_no_time = False
            log.info("%s has no EXIF time: its time of change is taken, as of all such", found.path)
        return datetime.fromtimestamp(found.stamp[1] / 1e9, timezone.utc)

    def _advance(self, taken_at: datetime) -> None:
        """Move the source's own clock, which never steps back, by the time between two files."""
        step_s = self._watching.interval_s
        if self._taken_at is not None:
            apart_s = (taken_at - self._taken_at).total_seconds()
            step_s = apart_s if apart_s >= 0 else _JUMP_S
        self._taken_at = taken_at
        self._at_s = max(self._at_s + step_s, self._nothing().at_s)
        self._idle_since_s = time.monotonic()
