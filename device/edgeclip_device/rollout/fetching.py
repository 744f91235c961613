"""Deliveries on their way to a device: in chunks over MQTT, or by URL; resumed where they broke."""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import BundleDamagedError, EdgeclipError, OutboxError
from edgeclip_device.command_args import PackAddArgs
from edgeclip_device.command_book import CommandBook, Pending, Verdict
from edgeclip_device.events import Arrived, Woken
from edgeclip_device.mqtt import EventQueue
from edgeclip_device.rollout.shelf import INCOMING_FOLDER
from edgeclip_device.urls import masked

log = logging.getLogger(__name__)

_CHUNK: Final = 1 << 18
_TIMEOUT_S: Final = 60.0
_KEEP_FREE: Final = 50_000_000  # bytes of the disk that a delivery leaves


@dataclass(frozen=True)
class _Delivery:
    pending: Pending
    args: PackAddArgs
    path: Path

    @property
    def received(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


class Fetching:
    """Takes deliveries in, and leaves whole ones to detect.

    Args:
        state: The state folder.
        book: What became of every command.
        topics: Of this device.
        events: Of the uplink; woken when a download is over.
    """

    def __init__(
        self, state: Path, book: CommandBook, topics: DeviceTopics, events: EventQueue
    ) -> None:
        self._folder = state / INCOMING_FOLDER
        self._book = book
        self._topics = topics
        self._events = events
        self._open: dict[str, _Delivery] = {}
        self._loading: set[str] = set()
        self._over: dict[str, str] = {}  # by hash, why a download failed, or nothing
        if not book.is_volatile:  # a copy in memory does not know what waits
            self._clean_up()
        for pending in book.pending("uplink"):
            if pending.name == "pack_add":
                self.begin(pending)

    @property
    def subscription(self) -> str:
        """The topics on which chunks come."""
        return self._topics.chunk("+", "+")

    def _clean_up(self) -> None:
        """Remove what no command is about any more: it failed, or was given up."""
        asked = {f"{pending.args.get('sha256')}.part" for pending in self._book.pending("uplink")}
        waits = {Path(str(p.args.get("path"))).name for p in self._book.pending("detect")}
        try:
            for path in self._folder.iterdir() if self._folder.is_dir() else ():
                if path.name not in asked | waits:
                    path.unlink()
        except OSError as error:
            log.warning("%s cannot be cleaned up: %s", self._folder, error)

    def begin(self, pending: Pending) -> None:
        """Begin to take a delivery in, or go on with it.

        Raises:
            OutboxError: The reply could not be written.
        """
        args = PackAddArgs.model_validate(pending.args)
        delivery = _Delivery(pending, args, self._folder / f"{args.sha256}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            self._book.finish(pending, Verdict("failed", f"{self._folder}: {error}: see the disk"))
            return
        if args.size_bytes - delivery.received > free - _KEEP_FREE:
            why = f"{args.size_bytes} bytes do not fit, {free} are free"
            self._book.finish(pending, Verdict("failed", why))
            return
        earlier = self._open.get(args.sha256)
        if earlier is not None and earlier.pending.command_id != pending.command_id:
            self._book.finish(earlier.pending, Verdict("failed", "it was asked for once more"))
        self._open[args.sha256] = delivery
        if args.sha256 in self._loading:
            return  # and whoever asked last is answered at its end
        if delivery.received >= args.size_bytes:
            self._begin_to_check(delivery)
        elif args.url is not None:
            self._loading.add(args.sha256)
            threading.Thread(
                target=self._download, args=(delivery, args.url), name="download", daemon=True
            ).start()
        else:
            self._book.progress(pending, {"received": delivery.received})

    def on_message(self, message: Arrived) -> bool:
        """Take a chunk in; say whether it was one. Of no delivery that was asked for: nothing."""
        prefix = self._topics.chunk("", "").rstrip("/") + "/"
        if not message.topic.startswith(prefix):
            return False
        sha256, _, offset = message.topic.removeprefix(prefix).partition("/")
        delivery = self._open.get(sha256)
        if delivery is None or delivery.args.url is not None or sha256 in self._loading:
            return True
        fits = delivery.received + len(message.payload) <= delivery.args.size_bytes
        if offset == str(delivery.received) and message.payload and fits:
            try:
                _append(delivery.path, message.payload)
            except OSError as error:
                self._fail(delivery, f"{delivery.path} cannot be written ({error}): free space")
                return True
        if delivery.received == delivery.args.size_bytes:
            self._begin_to_check(delivery)
        else:
            self._book.progress(delivery.pending, {"received": delivery.received})
        return True

    def tick(self) -> None:
        """Take in what downloads have ended."""
        for sha256 in list(self._over):
            reason, delivery = self._over.pop(sha256), self._open.get(sha256)
            self._loading.discard(sha256)
            if delivery is None:
                continue
            if reason:
                self._fail(delivery, reason)
            else:
                self._hand_over(delivery)

    def _begin_to_check(self, delivery: _Delivery) -> None:
        """Check a whole delivery in a thread: gigabytes take longer than the watchdog waits."""
        self._loading.add(delivery.args.sha256)
        threading.Thread(target=self._check, args=(delivery,), name="check", daemon=True).start()

    def _check(self, delivery: _Delivery) -> None:
        self._over[delivery.args.sha256] = _damage(delivery)
        self._events.put(Woken())

    def _hand_over(self, delivery: _Delivery) -> None:
        whole = delivery.path.with_suffix(".zip")
        try:
            delivery.path.replace(whole)
        except OSError as error:
            self._fail(delivery, f"{whole} cannot be written ({error}): see the disk")
            return
        del self._open[delivery.args.sha256]
        args = {**delivery.pending.args, "path": str(whole)}
        self._book.hand_over(delivery.pending, args, "detect")
        self._book.progress(delivery.pending, {"received": delivery.args.size_bytes})

    def _fail(self, delivery: _Delivery, reason: str) -> None:
        self._open.pop(delivery.args.sha256, None)
        self._book.finish(delivery.pending, Verdict("failed", reason))

    def _download(self, delivery: _Delivery, url: str) -> None:
        """Load a URL, from where it broke off; a thread's work."""
        reason = ""
        try:
            _load(url, delivery.path, delivery.args.size_bytes)
            reason = _damage(delivery)
        except EdgeclipError as error:
            reason = str(error)
        except Exception as error:  # the thread's one supervised boundary
            log.exception("a download failed")
            reason = f"an error of ours: {error}: see uplink's log"
        self._over[delivery.args.sha256] = reason
        self._events.put(Woken())


def _damage(delivery: _Delivery) -> str:
    """Return what is wrong with a delivery, which then is removed; nothing where all is well."""
    try:
        if sha256_file(delivery.path) == delivery.args.sha256:
            return ""
        delivery.path.unlink(missing_ok=True)
    except OSError as error:
        return f"{delivery.path} cannot be read ({error}): see the disk"
    return "its SHA-256 is another: it was damaged on its way; send it again"


def _load(url: str, path: Path, size_bytes: int) -> None:
    """Append to a file what of a URL it lacks.

    Raises:
        BundleDamagedError: The URL cannot be read, or gives more or less than was said.
        OutboxError: The disk is full.
    """
    have = path.stat().st_size if path.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            if have and getattr(answer, "status", None) != 206:  # it gives all of it again
                path.unlink()
                have = 0
            while (part := answer.read(_CHUNK)) and have <= size_bytes:
                _append(path, part)
                have += len(part)
    except http.client.HTTPException as error:  # it may quote the login
        kind = type(error).__name__
        raise BundleDamagedError(f"{masked(url)} cannot be read ({kind}): try again") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
        why = str(error).replace(url, masked(url))
        raise BundleDamagedError(f"{masked(url)} cannot be read ({why}): try again") from error
    except OSError as error:
        raise OutboxError(f"{path} cannot be written ({error}): free space") from error
    if have != size_bytes:
        if have > size_bytes:
            path.unlink()
        raise BundleDamagedError(f"{masked(url)} gave {have} bytes of {size_bytes}: try again")


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
