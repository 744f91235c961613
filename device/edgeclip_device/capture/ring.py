"""Three frames in memory that two processes share: the child writes, the parent reads the newest.

A slot has a head and a tail, the same words, written before and after the pixels: where they
differ, the frame is torn. The memory has no name, so nothing is left of it after a kill.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SLOTS = 3
_PAGE = 4096
_WORDS = 8  # of a head or tail: number + 1, boot ns, monotonic ns, height, width, colour order
_BGR = int.from_bytes(b"BGR", "little")
_TRIES = 3

Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Stored:
    """A whole frame of the ring.

    Attributes:
        image: `(H, W, 3)` uint8, RGB; a copy.
        number: Counted by the child, over all frames of the camera.
        boot_ns: Boot-time clock when the driver gave it.
        monotonic_ns: Monotonic clock at that moment.
    """

    image: NDArray[np.uint8]
    number: int
    boot_ns: int
    monotonic_ns: int


class _Memory:
    """The shared memory as words and pixels; both sides lay it out alike."""

    def __init__(self, descriptor: int, height: int, width: int) -> None:
        self.shape = (height, width, 3)
        self._slot_bytes = _slot_bytes(height, width)
        self._map = mmap.mmap(descriptor, _PAGE + SLOTS * self._slot_bytes)
        self.state = self._words(0)  # frames written, beat ns, grabs, stalls
        self._fence = _Fence()

    def head(self, slot: int) -> Words:
        return self._words(_PAGE + slot * self._slot_bytes)

    def tail(self, slot: int) -> Words:
        return self._words(_PAGE + (slot + 1) * self._slot_bytes - 8 * _WORDS)

    def pixels(self, slot: int) -> NDArray[np.uint8]:
        offset = _PAGE + slot * self._slot_bytes + 8 * _WORDS
        count = self.shape[0] * self.shape[1] * 3
        return np.frombuffer(self._map, np.uint8, count, offset).reshape(self.shape)

    def fence(self) -> None:
        self._fence()

    def close(self) -> None:
        self._fence.close()  # the map goes with its last array

    def _words(self, offset: int) -> Words:
        return np.frombuffer(self._map, np.uint64, _WORDS, offset)


class RingWriter:
    """The child's side.

    Args:
        descriptor: Of the memory; it gets the size that three frames need.
        height: Of the camera's frames, px.
        width: The same.
    """

    def __init__(self, descriptor: int, height: int, width: int) -> None:
        os.ftruncate(descriptor, _PAGE + SLOTS * _slot_bytes(height, width))
        self._memory = _Memory(descriptor, height, width)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(H, W, 3)` of the frames that fit."""
        return self._memory.shape

    def beat(self, monotonic_ns: int, *, stalled: bool) -> None:
        """Say that the driver gave a frame, whether or not it is written."""
        state = self._memory.state
        state[1] = monotonic_ns
        state[2] = int(state[2]) + 1
        state[3] = int(state[3]) + stalled

    def write(self, image: NDArray[np.uint8], number: int, boot_ns: int, monotonic_ns: int) -> None:
        """Put a frame into the oldest slot.

        Args:
            image: `(H, W, 3)` uint8, BGR, of this ring's shape.
            number: Counted over all frames of the camera.
            boot_ns: Boot-time clock when the driver gave it.
            monotonic_ns: Monotonic clock at that moment.
        """
        memory, written = self._memory, int(self._memory.state[0])
        slot = written % SLOTS
        height, width, _ = memory.shape
        words = (number + 1, boot_ns, monotonic_ns, height, width, _BGR, 0, 0)
        memory.head(slot)[:] = words
        memory.fence()
        np.copyto(memory.pixels(slot), image)
        memory.fence()
        memory.tail(slot)[:] = words
        memory.fence()
        memory.state[0] = written + 1


class RingReader:
    """The parent's side.

    Args:
        descriptor: Of the memory, which the child has sized; it can shrink no more from here on.
        height: What the child says, px.
        width: The same.

    Raises:
        ValueError: The memory is smaller than that.
    """

    def __init__(self, descriptor: int, height: int, width: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        if os.fstat(descriptor).st_size < _PAGE + SLOTS * _slot_bytes(height, width):
            raise ValueError(f"the ring holds no frames of {width} x {height}")
        self._memory = _Memory(descriptor, height, width)
        self.torn = 0
        self._seen = 0

    @property
    def beat_ns(self) -> int:
        """Monotonic clock at the driver's last frame; 0 before the first."""
        return int(self._memory.state[1])

    @property
    def grabs(self) -> int:
        """How many frames the driver gave."""
        return int(self._memory.state[2])

    @property
    def stalls(self) -> int:
        """How many gaps there were between them."""
        return int(self._memory.state[3])

    def read(self) -> Stored | None:
        """Return the newest whole frame, or None where there is none since the last one."""
        for _ in range(_TRIES):
            written = int(self._memory.state[0])
            if written == self._seen:
                return None
            stored = self._copy((written - 1) % SLOTS)
            if stored is not None:
                self._seen = written
                return stored
            self.torn += 1
        return None

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()

    def _copy(self, slot: int) -> Stored | None:
        memory = self._memory
        before = tuple(int(word) for word in memory.head(slot))
        memory.fence()
        image = np.asarray(cv2.cvtColor(memory.pixels(slot), cv2.COLOR_BGR2RGB), np.uint8)
        memory.fence()
        after = [tuple(int(word) for word in words(slot)) for words in (memory.head, memory.tail)]
        number, boot_ns, monotonic_ns, *shape = before[:6]
        if after != [before, before] or shape != [*memory.shape[:2], _BGR]:
            return None
        return Stored(image, number - 1, boot_ns, monotonic_ns)


class _Fence:
    """Keeps the order of what is written and read, also on ARM: a pipe's lock orders memory."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()

    def __call__(self) -> None:
        os.write(self._in, b"-")
        os.read(self._out, 1)

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)


def _slot_bytes(height: int, width: int) -> int:
    pixels = -(-height * width * 3 // 64) * 64
    return pixels + 2 * 8 * _WORDS
