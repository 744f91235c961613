"""`health --gate`: does this device do its work? The exit code that an A/B update asks for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgeclip.errors import OutboxError
from edgeclip_device.clock import boot_id, boot_now_ns
from edgeclip_device.database import DATABASE_FILE, read_meta
from edgeclip_device.facts import ARMED
from edgeclip_device.locks import is_held
from edgeclip_device.machine.disks import DiskSpace, disk_space
from edgeclip_device.vitals import VITALS, Vitals

_OLD_VITALS_S = 120.0  # detect writes them every 30 s
_OLD_FRAME_S = 120.0


@dataclass(frozen=True)
class Verdict:
    """What was found, and what speaks against it.

    Attributes:
        problems: Empty where the device does its work.
        is_armed: Whether frames are classified; a person may have said no.
    """

    vitals: Vitals | None
    disk: DiskSpace | None
    problems: list[str]
    is_armed: bool = True

    def facts(self) -> dict[str, Any]:
        """Return everything for machines."""
        return {
            "healthy": not self.problems,
            "problems": self.problems,
            "armed": self.is_armed,
            "vitals": self.vitals and self.vitals.model_dump(mode="json"),
            "free_mb": self.disk and round(self.disk.free_bytes / 1e6, 1),
        }

    def lines(self) -> list[str]:
        """Return a line for each fact, and one for each problem."""
        found = []
        if self.vitals is not None:
            camera, infer = self.vitals.camera, self.vitals.infer
            expected = "" if camera.expected_fps is None else f", {camera.expected_fps:g} expected"
            p95 = "" if infer.p95_ms is None else f", p95 {infer.p95_ms:g} ms"
            rate = "an unknown number of" if camera.fps is None else f"{camera.fps:g}"
            found.append(f"camera     {rate} frames a second{expected}")
            found.append(f"classifier {infer.count} frames{p95}")
            found.append(f"memory     {self.vitals.rss_mb} MB")
        if self.disk is not None:
            found.append(f"disk       {self.disk.free_bytes / 1e6:,.0f} MB free")
        if not self.is_armed:
            found.append("disarmed   no frame is classified until `edgeclip-device command arm`")
        problems = [f"problem    {problem}" for problem in self.problems]
        return [*found, *(problems or ["healthy" if self.is_armed else "healthy, but disarmed"])]


def judge(state: Path) -> Verdict:
    """Return whether detect works on a state folder, from what it leaves there.

    Raises:
        OutboxError: There is no outbox, or it cannot be read.
    """
    vitals, is_armed = _noted(state)
    disk = disk_space(state)
    problems = [*_process(state), *_of_vitals(vitals), *_of_disk(disk)]
    return Verdict(vitals, disk, problems, is_armed)


def _process(state: Path) -> list[str]:
    return [
        f"{job} does not run: systemctl status edgeclip-{job}"
        for job in ("detect", "uplink")
        if not is_held(state, job)
    ]


def _of_vitals(vitals: Vitals | None) -> list[str]:
    if vitals is None or vitals.boot_id != boot_id():
        return ["detect has said nothing since this boot: journalctl -u edgeclip-detect"]
    now_ns = boot_now_ns()
    age_s = (now_ns - vitals.boot_ns) / 1e9
    if age_s > _OLD_VITALS_S:
        return [f"detect has said nothing for {age_s:.0f} s: journalctl -u edgeclip-detect"]
    if vitals.is_asleep or vitals.is_waiting:  # no frame is due
        return []
    if vitals.frame_ns is None:
        return ["no frame has come yet: edgeclip-device doctor"]
    frame_s = (now_ns - vitals.frame_ns) / 1e9
    if frame_s > _OLD_FRAME_S:
        return [f"the newest frame is {frame_s:.0f} s old: edgeclip-device doctor"]
    return []


def _of_disk(disk: DiskSpace | None) -> list[str]:
    if disk is None:
        return []
    if disk.is_read_only:
        return ["the disk is read-only: look at dmesg, and repair or replace it"]
    if disk.free_bytes < 100e6:
        return [f"{disk.free_bytes / 1e6:.0f} MB are free: delete what is not needed"]
    return []


def _noted(state: Path) -> tuple[Vitals | None, bool]:
    """Return the vitals of detect, and whether it is armed."""
    path = state / DATABASE_FILE
    if not path.is_file():
        raise OutboxError(f"{state} holds no outbox: name the state folder of detect with --state")
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as connection:
            vitals = Vitals.from_json(read_meta(connection, VITALS))
            return vitals, read_meta(connection, ARMED) != "0"
    except sqlite3.Error as error:
        raise OutboxError(
            f"{path} cannot be read ({error}): restart detect, which sets a damaged one aside"
        ) from error
