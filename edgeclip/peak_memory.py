"""The most memory that this process has held: in all, or since it was last asked to forget."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): sets the peak resident size to what is held now


def peak_memory_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def forget_peak() -> bool:
    """Let `peak_memory_mb` begin again at what is held now.

    Returns:
        Whether this system can; else the peak is still that of the whole process.
    """
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True
