"""A label source -> its usable images, with a progress bar: the first step of each command."""

from __future__ import annotations

from collections.abc import Callable

from edgeclip.labels.dataset import Dataset, read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip.progress import Bars


def open_dataset(options: ReadingOptions, bars: Bars) -> Dataset:
    """Return the usable images of what the options name.

    Raises:
        ConfigError: A label that was asked for does not occur.
        DataError: There are no labels, or no image can be used.
    """
    advance: list[Callable[[int], None]] = []
    return read_dataset(
        options,
        started=lambda total: advance.append(bars.add("opening images", total)),
        advance=lambda: advance[0](1),
    )
