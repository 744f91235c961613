"""The report's pictures, each as bytes that stand inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from edgeclip.errors import DataError
from edgeclip.evaluation.result import Evaluation

_DPI = 110
_THUMBNAIL_PX = 360


def precision_recall(evaluations: Mapping[str, Evaluation], class_names: Sequence[str]) -> str:
    """Return precision over recall of each target, one line a head, as a PNG data URI.

    Args:
        evaluations: By what the head is called, on the same images.
        class_names: C names.
    """
    from sklearn.metrics import precision_recall_curve

    targets = list(next(iter(evaluations.values())).targets)
    figure = Figure(figsize=(5, 0.4 + 3.4 * len(targets)), layout="constrained")
    for row, target in enumerate(targets, start=1):
        axes = figure.add_subplot(len(targets), 1, row)
        index = class_names.index(target)
        for (name, result), style in zip(evaluations.items(), ("--", "-"), strict=False):
            precision, recall, _ = precision_recall_curve(
                result.classes == index, result.probabilities[:, index]
            )
            scores = result.targets[target]
            label = f"{name}, average {scores.average_precision:.2f}"
            axes.step(recall, precision, style, where="post", label=label)
        axes.plot(
            [scores.recall], [scores.precision], "ko", label=f"threshold {scores.threshold:.2f}"
        )
        axes.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="recall", ylabel="precision", title=target)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left", fontsize=8)
    return _png(figure)


def confusion_matrix(evaluation: Evaluation, class_names: Sequence[str]) -> str:
    """Return the confusion matrix as a PNG data URI."""
    side = max(3.0, 1.6 + 0.55 * len(class_names))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    counts = evaluation.confusion
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Greens", vmax=1.3)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center", fontsize=9)
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(ticks, class_names, fontsize=8)
    axes.set(xlabel="likeliest class", ylabel="true class")
    return _png(figure)


def probability_histogram(evaluation: Evaluation, class_names: Sequence[str]) -> str:
    """Return how the targets' probabilities lie, for images with and without them, as a PNG."""
    targets = list(evaluation.targets)
    figure = Figure(figsize=(5, 0.4 + 2.4 * len(targets)), layout="constrained")
    for row, target in enumerate(targets, start=1):
        axes = figure.add_subplot(len(targets), 1, row)
        index = class_names.index(target)
        own = evaluation.classes == index
        values = evaluation.probabilities[:, index]
        axes.hist(
            [values[own], values[~own]],
            bins=list(np.linspace(0, 1, 21)),
            label=[target, "anything else"],
            color=["#2f7d4f", "#b8b8b8"],
        )
        axes.axvline(evaluation.targets[target].threshold, color="k", linestyle=":")
        axes.set(xlabel=f"probability of {target}", ylabel="images", xlim=(0, 1))
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
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", (2 * _THUMBNAIL_PX, 2 * _THUMBNAIL_PX))
            small = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError("the image cannot be decoded any more") from error
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=75)
    return _uri("image/jpeg", out.getvalue())


def _png(figure: Figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return _uri("image/png", out.getvalue())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
