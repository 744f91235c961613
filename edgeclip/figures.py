"""The report's pictures, each as bytes that stand inside the page."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from datetime import timezone

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from edgeclip.calibration import Reliability, reliability
from edgeclip.contenders import Contender
from edgeclip.errors import DataError
from edgeclip.evaluation.comparison import Scope
from edgeclip.evaluation.judging import Judgement
from edgeclip.evaluation.metrics import Floats, threshold_counts
from edgeclip.labels.exif import read_exif, upright

_DPI = 110
_THUMBNAIL_PX = 360
_SIZE = (5.0, 3.8)  # inches: two stand side by side, one fills a telephone
_COLORS = ("#1b6e43", "#8a8a8a", "#c47f17", "#3d6fb4", "#8d4a9e", "#a33a2a")  # the pack is green
_MOST_CLASSES = 24  # more do not fit into a matrix that can be read
_LONGEST = 24  # letters of a name in a picture


def precision_recall(scope: Scope, target: str) -> str:
    """Return precision over recall of a target, one line a contender, as a PNG data URI."""
    from sklearn.metrics import precision_recall_curve

    figure, axes = _figure()
    is_target = scope.judged.is_target(target)
    number = list(scope.judged.class_names).index(target)
    for (name, judgement), color in zip(_drawn(scope), _COLORS, strict=False):
        values = judgement.contender.probabilities[:, number]
        precision, recall, _ = precision_recall_curve(is_target, values)
        area = judgement.targets[target].average_precision.estimate
        width = 2.2 if judgement is scope.main else 1.2
        axes.step(
            recall, precision, where="post", label=f"{name} (area {area:.2f})", color=color,
            linewidth=width,
        )  # fmt: skip
    scores = scope.main.frames.targets[target]
    axes.plot([scores.recall], [scores.precision], "ko", label="at its threshold", markersize=6)
    axes.set(
        xlim=(0, 1.02), ylim=(0, 1.05), xlabel=f"share of {_shown(target)} that is found (recall)",
        ylabel="share of right alarms (precision)",
    )  # fmt: skip
    axes.legend(loc="lower left", fontsize=8)
    return _png(figure)


def blanks_curve(scope: Scope) -> str:
    """Return the blanks put aside over the animals kept, one line a contender, as a PNG.

    Args:
        scope: With both blanks and animals.
    """
    figure, axes = _figure()
    blank = scope.judged.blank
    is_animal = scope.judged.classes != blank
    for (name, judgement), color in zip(_drawn(scope), _COLORS, strict=False):
        kept, removed = _kept_and_removed(judgement.contender, blank or 0, is_animal)
        width = 2.2 if judgement is scope.main else 1.2
        axes.step(100 * kept, 100 * removed, where="post", label=name, color=color, linewidth=width)
    axes.axvline(95, color="k", linestyle=":", linewidth=1)
    axes.set(
        xlim=(50, 100.5), ylim=(0, 103), xlabel="animal images that are kept, %",
        ylabel="blank images put aside, %",
    )  # fmt: skip
    axes.legend(loc="lower left", fontsize=8)
    return _png(figure)


def reliability_plot(judgement: Judgement, truth: NDArray[np.int64]) -> str:
    """Return how often the likeliest class was right over its probability, as a PNG.

    Before the temperature and after it, where both are known.
    """
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], ":", color="k", linewidth=1, label="perfect")
    shown: Mapping[str, Reliability] = {"after calibration": judgement.reliability}
    before = judgement.contender.uncalibrated
    if before is not None:
        own = reliability(before.max(axis=1), before.argmax(axis=1) == truth)
        shown = {"before calibration": own, **shown}
    colors = {"before calibration": "#c47f17", "after calibration": "#1b6e43"}
    for name, bins in shown.items():
        full = bins.counts > 0
        said, came_true = bins.said[full], bins.came_true[full]
        label = f"{name} (error {bins.error:.2f})"
        axes.plot(said, came_true, "-", color=colors[name], linewidth=1, label=label)
        sizes = 12 + 150 * bins.counts[full] / bins.counts.sum()  # bins of few images say little
        axes.scatter(said, came_true, s=sizes, color=colors[name], alpha=0.7)
    axes.set(
        xlim=(0, 1.03), ylim=(-0.03, 1.05), ylabel="share that came true",
        xlabel="probability that was said (large dots: many images)",
    )  # fmt: skip
    axes.legend(loc="lower right", fontsize=8)
    return _png(figure)


def confusion_matrix(judgement: Judgement, class_names: Sequence[str]) -> str:
    """Return the confusion matrix as a PNG data URI; of many classes the commonest ones."""
    counts = judgement.frames.confusion
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:_MOST_CLASSES])
    counts, names = counts[np.ix_(shown, shown)], [_shown(class_names[index]) for index in shown]
    side = max(3.0, 1.2 + 0.5 * len(names))
    room = 0.13 * max(len(name) for name in names)  # inches; a wide letter takes that much
    figure = Figure(figsize=(side + room, side + 0.8 * room), layout="constrained")
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1.3)
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if shares[row, column] > 0.85 else "#1d2a22"
        axes.text(column, row, str(count), ha="center", va="center", fontsize=9, color=color)
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(ticks, names, fontsize=8)
    axes.set(xlabel="likeliest class", ylabel="true class")
    return _png(figure)


def probability_histogram(scope: Scope, target: str) -> str:
    """Return how the target's probabilities lie, for images with and without it, as a PNG."""
    figure, axes = _figure()
    number = list(scope.judged.class_names).index(target)
    own = scope.judged.is_target(target)
    values = scope.main.contender.probabilities[:, number]
    axes.hist(
        [values[own], values[~own]],
        bins=list(np.linspace(0, 1, 21)),
        label=[_shown(target), "anything else"],
        color=[_COLORS[0], "#b8b8b8"],
    )
    axes.axvline(scope.main.contender.thresholds[target], color="k", linestyle=":", linewidth=1)
    axes.set(
        xlabel=f"probability of {_shown(target)} (dotted: threshold)", ylabel="images", xlim=(0, 1)
    )
    axes.legend(fontsize=8)
    return _png(figure)


def thumbnail(data: bytes) -> str:
    """Return an image as a small JPEG data URI, upright and without its EXIF.

    Args:
        data: The image file.

    Raises:
        DataError: It cannot be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF warns, and was named when it was read
            small = _small(data)
    except Exception as error:  # damaged bytes fail in Pillow in any way
        raise DataError("the image cannot be decoded any more") from error
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=75)
    return _uri("image/jpeg", out.getvalue())


def _small(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (2 * _THUMBNAIL_PX, 2 * _THUMBNAIL_PX))
        pixels = image.convert("RGB")
        return upright(pixels, read_exif(image, timezone.utc).orientation)


def _kept_and_removed(
    contender: Contender, blank: int, is_animal: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the shares of animals kept and of blanks removed at every threshold, rising."""
    kept = 1 - contender.probabilities[:, blank]
    animals, images = threshold_counts(kept, is_animal, np.ones((1, len(kept))))
    blanks = images[0] - animals[0]
    return animals[0] / animals[0, -1], 1 - blanks / blanks[-1]


def _drawn(scope: Scope) -> list[tuple[str, Judgement]]:
    """Return the contenders that have a colour, the pack first."""
    return [(_shown(name), own) for name, own in scope.judgements.items()][: len(_COLORS)]


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def _shown(name: str) -> str:
    """Return a name as matplotlib draws it as it is: no formula, never hidden, not too long."""
    short = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
    return short.replace("$", r"\$").lstrip("_") or "?"


def _png(figure: Figure) -> str:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # drawn as a box
        figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return _uri("image/png", out.getvalue())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
