"""What TensorRT measured of kernels on this device, kept for the next build.

One file a device, `engines/<device>.timing`. TensorRT-RTX measures nothing when it builds, and has
none.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from edgeclip.contract.bundle import ENGINES_FOLDER
from edgeclip.contract.engine_key import Machine
from edgeclip.contract.files import write_bytes
from edgeclip_export.tensorrt_runtime import trt

log = logging.getLogger(__name__)


def timing_cache_file(bundle: Path, machine: Machine) -> Path | None:
    """Return where a device's measurements lie; None where the runtime makes none."""
    if machine.runtime == "tensorrt_rtx":
        return None
    words = f"{machine.device_name} {machine.sm_count}sm {machine.runtime_version}"
    name = re.sub(r"[^a-z0-9.]+", "-", words.lower())
    return bundle / ENGINES_FOLDER / f"{name}.timing"


class TimingCache:
    """The measurements of one build: read before it, written after it.

    Args:
        path: The file, which need not be there; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._cache: trt.ITimingCache | None = None
        self._known = b""
        self._measured = b""

    def attach(self, config: trt.IBuilderConfig) -> None:
        """Give the builder what the file holds, or an empty cache where that does not fit."""
        if self._path is None:
            return
        self._known = self._read(self._path)
        if self._known and self._taken(config, self._known):
            return
        if self._known:
            log.warning("%s is not of this device and TensorRT: it is made anew", self._path)
        self._taken(config, b"")

    def collect(self) -> None:
        """Copy what the builder knows now; called in its thread, after the build."""
        if self._cache is not None:
            memory: Any = self._cache.serialize()
            self._measured = bytes(memory) if memory is not None else b""

    def write(self) -> None:
        """Write the file where there is anything new; a full disk costs only time, later."""
        if self._path is None or self._measured in (b"", self._known):
            return
        try:
            write_bytes(self._path, self._measured)
        except OSError as error:
            log.warning("%s was not written (%s): the next build measures again", self._path, error)

    def _taken(self, config: trt.IBuilderConfig, content: bytes) -> bool:
        cache = config.create_timing_cache(content)
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            return False
        self._cache = cache
        return True

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            log.warning("%s cannot be read (%s): kernels are measured anew", path, error)
            return b""
