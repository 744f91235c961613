"""Columns of the class matrix -> class probabilities -> a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def class_probabilities(
    column_probabilities: NDArray[np.float32], column_class: Sequence[int], classes: int
) -> NDArray[np.float32]:
    """Return the probability of each class: the sum over its columns.

    Args:
        column_probabilities: `(B, K)` float32 in [0, 1], rows sum to 1.
        column_class: For each of the K columns, the index of its class.
        classes: C, the number of classes.

    Returns:
        `(B, C)` float32 in [0, 1], rows sum to 1.

    Raises:
        ValueError: `column_class` does not fit K or C.
    """
    columns = np.asarray(column_class, np.int64)
    if columns.shape != (column_probabilities.shape[1],):
        raise ValueError(
            f"{columns.size} column classes for {column_probabilities.shape[1]} columns"
        )
    if columns.size and not 0 <= columns.min() <= columns.max() < classes:
        raise ValueError(f"column classes {columns.tolist()} are not all in 0..{classes - 1}")
    one_hot = np.zeros((columns.size, classes), np.float32)
    one_hot[np.arange(columns.size), columns] = 1
    return np.asarray(column_probabilities @ one_hot, np.float32)


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the softmax of logits over the last axis, computed in float64.

    Args:
        logits: `(..., K)` float32.
        temperature: Calibration, > 0; divides the logits.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    powers = np.exp(scaled)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def best_class(
    probabilities: NDArray[np.float32], class_names: Sequence[str], on: Mapping[str, float]
) -> str | None:
    """Return the likeliest class that reaches its threshold, or None where none does.

    Args:
        probabilities: `(C,)` float32 in [0, 1].
        class_names: C names in the same order.
        on: Threshold of each class in [0, 1]; a class without one is never returned.
    """
    for index in np.argsort(-probabilities, kind="stable"):
        name = class_names[int(index)]
        if name in on and probabilities[index] >= on[name]:
            return name
    return None
