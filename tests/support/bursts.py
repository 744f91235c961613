"""Labelled images that no file stands behind: bursts of two frames at places."""

from __future__ import annotations

from pathlib import Path

from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts


def bursts_at(
    places: int, bursts: int, names: tuple[str, ...] = ("leopard", "blank")
) -> list[LabelledImage]:
    """Return so many bursts of each class at each place."""
    images = []
    for number in range(places * bursts * len(names) * 2):
        burst = number // 2
        place, name = burst % places, names[burst // places % len(names)]
        facts = ImageFacts(f"{number:064d}", 64, 48, 100.0, None)
        images.append(
            LabelledImage(
                Path(f"{number}.jpg"), name, f"P{place}", None, f"P{place}/{burst}", None, None,
                facts,
            )
        )  # fmt: skip
    return images
