from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip_device.capture.ring import SLOTS, RingReader, RingWriter
from support.drawn_clips import ground

SIZE = (48, 65)  # no multiple of anything


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = os.memfd_create("ring", os.MFD_ALLOW_SEALING)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def ring(memory: int) -> Iterator[tuple[RingWriter, RingReader]]:
    writer = RingWriter(memory, *SIZE)
    with closing(RingReader(memory, *SIZE)) as reader:
        yield writer, reader
    writer._memory.close()


def _bgr(n: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(ground(n, SIZE)[:, :, ::-1])


def test_a_frame_comes_out_as_it_went_in_with_its_number_and_clocks(
    ring: tuple[RingWriter, RingReader],
) -> None:
    writer, reader = ring
    assert reader.read() is None
    writer.write(_bgr(1), 7, 1000, 2000)
    stored = reader.read()
    assert stored is not None
    assert (stored.number, stored.boot_ns, stored.monotonic_ns) == (7, 1000, 2000)
    assert np.array_equal(stored.image, ground(1, SIZE))
    assert reader.read() is None


def test_whoever_is_slow_gets_the_newest_frame(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    for n in range(2 * SLOTS + 1):
        writer.write(_bgr(n), n, n, n)
    stored = reader.read()
    assert stored is not None
    assert stored.number == 2 * SLOTS
    assert np.array_equal(stored.image, ground(2 * SLOTS, SIZE))


@pytest.mark.parametrize("part", ["head", "tail"])
def test_a_torn_frame_shows_and_is_not_given(
    ring: tuple[RingWriter, RingReader], part: str
) -> None:
    writer, reader = ring
    writer.write(_bgr(0), 0, 0, 0)
    getattr(writer._memory, part)(0)[0] = 99  # as while another frame is written over it
    assert reader.read() is None
    assert reader.torn > 0
    writer.write(_bgr(1), 1, 1, 1)
    stored = reader.read()
    assert stored is not None
    assert stored.number == 1


def test_the_memory_cannot_be_taken_away_from_its_reader(
    ring: tuple[RingWriter, RingReader], memory: int
) -> None:
    writer, reader = ring
    writer.write(_bgr(0), 0, 0, 0)
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 0)
    assert reader.read() is not None


def test_a_ring_that_is_smaller_than_said_is_refused(memory: int) -> None:
    os.ftruncate(memory, 100)
    with pytest.raises(ValueError, match="holds no frames of 65 x 48"):
        RingReader(memory, *SIZE)


def test_the_beat_counts_frames_that_are_not_written(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    writer.beat(5, stalled=False)
    writer.beat(9, stalled=True)
    assert (reader.beat_ns, reader.grabs, reader.stalls) == (9, 2, 1)
