"""Disk and outbox: space, file system, wear, what waits."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from edgeclip.errors import OutboxError
from edgeclip_device.doctor.base import Finding, Patient
from edgeclip_device.machine.disks import disk_space, wear_pct, written_bytes
from edgeclip_device.outbox_status import read_status

_SETTLED_S = 3600.0  # starting writes more than working does
_FORGETS = {"tmpfs", "ramfs"}
_NO_RIGHTS = {"vfat", "exfat", "msdos"}


def check_disk(patient: Patient) -> Iterable[Finding]:
    """Judge the disk of the state folder."""
    folder = _existing(patient.settings.state)
    space = disk_space(folder)
    if space is not None:
        found = f"{space.free_bytes / 1e6:,.0f} of {space.size_bytes / 1e6:,.0f} MB free"
        if space.is_read_only:
            step = "look at dmesg; repair or replace the card"
            yield Finding("disk", "fail", f"{folder} is read-only", step)
        elif space.is_low:
            step = "delete what is not needed, or lower [outbox].max_mb"
            yield Finding("disk", "warn", found, step)
        else:
            yield Finding("disk", "ok", found)
    yield _file_system(patient, folder)
    yield _wear(patient, folder)
    yield judge_writes(patient, folder, time.clock_gettime(time.CLOCK_BOOTTIME))
    yield _rights(patient.settings.state)


def check_outbox(patient: Patient) -> Iterable[Finding]:
    """Say what waits in the outbox."""
    try:
        status = read_status(patient.settings.state)
    except OutboxError as error:
        if "holds no outbox" in str(error):
            yield Finding("outbox", "absent", "none yet: detect makes it at its first start")
        else:
            yield Finding("outbox", "fail", str(error), "restart detect")
        return
    found = f"{status.rows} detections and {status.media} snapshots wait"
    if status.refused:
        reason = next(iter(status.refused))
        yield Finding("outbox", "warn", f"{found}; answered: {reason}", "look at the broker's ACL")
    elif status.dropped:
        kinds = ", ".join(f"{item.count} {item.kind}" for item in status.dropped)
        step = "clear the way to the dashboard, or raise the caps in [outbox]"
        yield Finding("outbox", "warn", f"{found}; dropped so far: {kinds}", step)
    else:
        yield Finding("outbox", "ok", found)


def _file_system(patient: Patient, folder: Path) -> Finding:
    kind = _kind_of(patient.tree.text("/proc/self/mountinfo") or "", folder)
    if kind is None:
        return Finding("file system", "absent", "cannot be told")
    if kind in _FORGETS:
        step = "put the state folder on a disk: what is in memory does not survive a power cut"
        return Finding("file system", "fail", f"{folder} is on {kind}", step)
    if kind in _NO_RIGHTS:
        step = "use ext4 or f2fs: detect and uplink need rights and fsync"
        return Finding("file system", "fail", f"{folder} is on {kind}", step)
    if kind == "overlay":
        step = "make sure that the upper layer is on a disk"
        return Finding("file system", "warn", f"{folder} is on an overlay", step)
    return Finding("file system", "ok", f"{folder} is on {kind}")


def _kind_of(mountinfo: str, folder: Path) -> str | None:
    """Return the file system of the longest mount point that holds a folder."""
    best, kind = -1, None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = re.sub(r"\\040", " ", fields[4])
        holds = folder == Path(point) or Path(point) in folder.parents
        if holds and len(point) >= best:
            best, kind = len(point), after.split()[0]
    return kind


def _wear(patient: Patient, folder: Path) -> Finding:
    wear = wear_pct(patient.tree, folder)
    if wear is None:
        return Finding("card wear", "absent", "this disk does not say")
    if wear >= 80:
        return Finding("card wear", "warn", f"{wear:.0f} % of its life is used", "replace the card")
    return Finding("card wear", "ok", f"{wear:.0f} % of its life is used")


def judge_writes(patient: Patient, folder: Path, up_s: float) -> Finding:
    """Judge what is written to the disk of a folder a day, as the mean since boot.

    Args:
        patient: Its limit is `[health].write_mb_day`.
        folder: On that disk.
        up_s: Seconds since boot.
    """
    written = written_bytes(patient.tree, folder)
    if written is None:
        return Finding("disk writes", "absent", "this disk does not count them")
    mb_day, most = written / 1e6 * 86_400 / max(up_s, 1.0), patient.settings.health.write_mb_day
    found = f"{mb_day:,.0f} MB a day since boot"
    if up_s >= _SETTLED_S and mb_day > most:
        step = "sudo iotop -oPa says who writes; a card lasts longer with logs and swap elsewhere"
        return Finding("disk writes", "warn", f"{found}, more than {most:,.0f}", step)
    return Finding("disk writes", "ok", found)


def _rights(state: Path) -> Finding:
    if not state.exists():
        return Finding("state folder", "absent", f"{state} is not there yet")
    if os.access(state, os.R_OK | os.W_OK | os.X_OK):
        return Finding("state folder", "ok", f"{state} can be written")
    step = "run as a user of the group edgeclip, or `sudo systemd-tmpfiles --create edgeclip.conf`"
    return Finding("state folder", "fail", f"{state} cannot be written by this user", step)


def _existing(path: Path) -> Path:
    """Return the nearest folder above that is there."""
    absolute = path.absolute()
    return next(p for p in (absolute, *absolute.parents) if p.exists())
