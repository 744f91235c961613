"""Memory of the machine and of a process, MB."""

from __future__ import annotations

import re
import resource

from edgeclip_device.machine.tree import Tree


def available_mb(tree: Tree) -> float | None:
    """Return what the kernel could give to programs; None in a sandbox that hides it."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", tree.text("/proc/meminfo") or "", re.MULTILINE)
    return round(int(found[1]) * 1024 / 1e6, 1) if found else None


def resident_mb(tree: Tree) -> float | None:
    """Return this process's resident memory."""
    pages = (tree.text("/proc/self/statm") or "").split()
    if len(pages) < 2 or not pages[1].isdigit():
        return None
    return round(int(pages[1]) * resource.getpagesize() / 1e6, 1)
