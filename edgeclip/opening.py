"""A label source -> its usable images, with a progress bar: the first step of each command."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeclip.labels.dataset import Dataset, read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip.progress import Bars


def open_dataset(options: ReadingOptions, bars: Bars, targets: Sequence[str] = ()) -> Dataset:
    """Return the usable images of what the options name.

    Args:
        options: All of what is read, and how.
        bars: Progress.
        targets: Must be classes of the labels, before any image is opened.

    Raises:
        ConfigError: A label or target that was asked for does not occur.
        DataError: There are no labels, or no image can be used.
    """
    advance: list[Callable[[int], None]] = []
    return read_dataset(
        options,
        targets=targets,
        started=lambda total: advance.append(bars.add("opening images", total)),
        advance=lambda: advance[0](1),
    )
