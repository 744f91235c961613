"""What differs between two packs, for a person who must choose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.packs import load_pack

_MANIFEST = (
    "task", "version", "method", "fusion_class", "graph", "share", "temperature", "recipe_sha256",
    "prompts_sha256", "strip_top_px", "strip_bottom_px",
)  # fmt: skip
_DIGITS = 12


def pack_differences(one: Path, other: Path) -> list[dict[str, Any]]:
    """Return what differs, as `what`, `one` and `other`; nothing of two packs that are the same.

    Of tensors the largest absolute difference stands in `other` where the shapes are equal.

    Raises:
        PackError: One of them is no pack, or damaged.
    """
    ours, theirs = load_pack(one), load_pack(other)
    first, second = ours.manifest, theirs.manifest
    rows = [_row(name, getattr(first, name), getattr(second, name)) for name in _MANIFEST]
    rows += [
        _row("encoder", _encoder(first.base.model_dump()), _encoder(second.base.model_dump())),
        _row("classes", ", ".join(first.class_names), ", ".join(second.class_names)),
        _row("data_sha256", first.training.data_sha256, second.training.data_sha256),
        _row("images", first.training.images, second.training.images),
        _row("stands on", first.training.earlier_sha256, second.training.earlier_sha256),
    ]
    limits = {name: item.model_dump() for name, item in first.thresholds.items()}
    others = {name: item.model_dump() for name, item in second.thresholds.items()}
    for name in sorted({*limits, *others}):
        rows.append(_row(f"thresholds of {name}", limits.get(name), others.get(name)))
    for name in sorted({*first.metrics, *second.metrics}):
        rows.append(_row(f"metric {name}", first.metrics.get(name), second.metrics.get(name)))
    found = [row for row in rows if row["one"] != row["other"]]
    return found + _tensors(ours.tensors, theirs.tensors)


def _row(what: str, one: object, other: object) -> dict[str, Any]:
    return {"what": what, "one": _short(one), "other": _short(other)}


def _short(value: object) -> object:
    """Return a hash by its first digits, and what is absent as a dash."""
    if value is None:
        return "-"
    if isinstance(value, str) and len(value) == 64:
        return value[:_DIGITS]
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {limit:.3f}" for name, limit in value.items())
    return value


def _encoder(base: Mapping[str, Any]) -> str:
    return f"{base['arch']}, {base['pretrained']}, {base['weights_sha256'][:_DIGITS]}"


def _tensors(
    one: Mapping[str, NDArray[np.float32]], other: Mapping[str, NDArray[np.float32]]
) -> list[dict[str, Any]]:
    rows = []
    for name in sorted({*one, *other}):
        ours, theirs = one.get(name), other.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            rows.append(_row(f"tensor {name}", _shape(ours), _shape(theirs)))
        elif not np.array_equal(ours, theirs):
            largest = f"differs by up to {float(np.abs(ours - theirs).max()):.3g}"
            rows.append(_row(f"tensor {name}", _shape(ours), largest))
    return rows


def _shape(tensor: NDArray[np.float32] | None) -> str | None:
    return None if tensor is None else " x ".join(map(str, tensor.shape))
