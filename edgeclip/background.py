"""Does a pack look at the animal or at the place? The animal is covered, and it must be gone.

The training images of a species often come from few cameras, so that a model can learn their views
(Beery et al., ECCV 2018, arXiv 1807.04975). With the box painted over, the target must not be
called more often than in images that never held it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.postprocess import best_class
from edgeclip.contract.preprocess import decode_image, prepare
from edgeclip.contract.preprocess_spec import Box, PreprocessSpec
from edgeclip.errors import DataError
from edgeclip.labels.classes import BLANK
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import read_image_file
from edgeclip.regions import Strips, without_strips

Classify = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
_MARGIN = 0.1  # of the box: shadow and fur at its edge
_BATCH = 64
_CLEARLY_MORE = 0.10  # of the calls; less is chance on a few dozen images


@dataclass(frozen=True)
class CoveredTarget:
    """One target: how often whole frames are called for it.

    Attributes:
        images: Frames with the target and a box.
        seen: Share of them that are called as they are.
        covered: Share of them that are called with the animal painted over.
        elsewhere: Share of the frames without the target that are called; nan without any.
    """

    images: int
    seen: float
    covered: float
    elsewhere: float

    @property
    def looks_at_the_place(self) -> bool:
        """Whether the place alone raises clearly more calls than frames without the target."""
        usual = self.elsewhere if np.isfinite(self.elsewhere) else 0.0
        return self.covered > usual + _CLEARLY_MORE


@dataclass(frozen=True)
class BackgroundCheck:
    """What is left of the figures when the animals are painted over.

    Attributes:
        images: Frames that were looked at: those with a box, and blanks.
        accuracy: Of the likeliest class, as they are.
        covered_accuracy: With the animals covered.
        prior: Share of the commonest class: what covered frames should fall to, or below.
        targets: By class name; those with boxes.
    """

    images: int
    accuracy: float
    covered_accuracy: float
    prior: float
    targets: Mapping[str, CoveredTarget]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data; what is not defined is null."""
        content = asdict(self)
        for own in content["targets"].values():
            own["elsewhere"] = own["elsewhere"] if np.isfinite(own["elsewhere"]) else None
        return content


def check_background(
    images: Sequence[LabelledImage],
    class_names: Sequence[str],
    on: Mapping[str, float],
    *,
    spec: PreprocessSpec,
    strips: Strips,
    classify: Classify,
) -> BackgroundCheck:
    """Return what whole frames are called with and without their animals.

    Args:
        images: Labelled with the classes; those without a box count only if they are blank. Where
            several are of one file, the boxes of all are covered.
        class_names: C names.
        on: Threshold by target.
        spec: The encoder's preprocessing.
        strips: Rows to cut off, covered animals or not.
        classify: `(n, S, S, 3)` uint8 RGB -> `(n, C)` probabilities.

    Raises:
        DataError: Not one image of a target has a box, or an image cannot be read.
    """
    used = [image for image in images if image.box or image.class_name == BLANK]
    if not any(image.box and image.class_name in on for image in used):
        raise DataError(
            "no image of a target has a box, so that it cannot be covered: leave"
            " --background-check out, or give boxes"
        )
    as_they_are, covered = _both(used, spec, strips, classify)
    truth = np.asarray([list(class_names).index(image.class_name) for image in used])
    called = [[best_class(row, class_names, on) for row in rows] for rows in (as_they_are, covered)]
    return BackgroundCheck(
        images=len(used),
        accuracy=float((as_they_are.argmax(axis=1) == truth).mean()),
        covered_accuracy=float((covered.argmax(axis=1) == truth).mean()),
        prior=float(np.bincount(truth).max() / len(truth)),
        targets={
            name: found for name in on if (found := _target(name, used, called[0], called[1]))
        },
    )


def cover(frame: NDArray[np.uint8], *boxes: Box) -> NDArray[np.uint8]:
    """Return a frame with its boxes, a tenth wider on each side, in the rest's median colour.

    Args:
        frame: `(H, W, 3)` uint8.
        boxes: Relative x, y, width, height; without any, the frame comes back as it is.
    """
    outside = np.ones(frame.shape[:2], bool)
    for box in boxes:
        outside[_widened(box, *frame.shape[:2])] = False
    painted = frame.copy()
    painted[~outside] = np.median(frame[outside], axis=0) if outside.any() else 127
    return np.asarray(painted, np.uint8)


def _widened(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of a box with its margin."""
    x, y, w, h = box
    left, right = (x - _MARGIN * w) * width, (x + (1 + _MARGIN) * w) * width
    top, end = (y - _MARGIN * h) * height, (y + (1 + _MARGIN) * h) * height
    rows = slice(max(int(top), 0), min(int(np.ceil(end)), height))
    columns = slice(max(int(left), 0), min(int(np.ceil(right)), width))
    return rows, columns


def _both(
    images: Sequence[LabelledImage], spec: PreprocessSpec, strips: Strips, classify: Classify
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the probabilities of the frames as they are, and of those with covered animals."""
    rows, boxes = [], defaultdict[Path, list[Box]](list)
    for image in images:  # several, where each box of a file is an image of its own
        if image.box:
            boxes[image.path].append(image.box)
    for start in range(0, len(images), _BATCH):
        chunk = images[start : start + _BATCH]
        frames = [_frame(image) for image in chunk]
        hidden = [
            cover(frame, *boxes[image.path]) for frame, image in zip(frames, chunk, strict=True)
        ]
        rows.append(
            [
                classify(np.stack([prepare(without_strips(f, None, strips)[0], spec) for f in own]))
                for own in (frames, hidden)
            ]
        )
    return np.concatenate([a for a, _ in rows]), np.concatenate([b for _, b in rows])


def _frame(image: LabelledImage) -> NDArray[np.uint8]:
    try:
        return decode_image(read_image_file(image.path))
    except DataError as error:
        raise DataError(f"{image.path}: {error}") from error


def _target(
    name: str,
    images: Sequence[LabelledImage],
    as_they_are: Sequence[str | None],
    covered: Sequence[str | None],
) -> CoveredTarget | None:
    own = [row for row, image in enumerate(images) if image.class_name == name and image.box]
    others = [row for row, image in enumerate(images) if image.class_name != name]
    if not own:
        return None

    def share(said: Sequence[str | None], rows: Sequence[int]) -> float:
        return float(np.mean([said[row] == name for row in rows])) if rows else float("nan")

    return CoveredTarget(
        len(own), share(as_they_are, own), share(covered, own), share(as_they_are, others)
    )
