"""Which real images count as one shot: copies saved again, against other frames of one camera.

`python -m benchmarks.near_duplicates [TABLE]`; the table defaults to the real camera-trap images,
by `EDGECLIP_REAL_DATA` or at their usual place.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from edgeclip.labels.dataset import LabelledImage, load_dataset, read_labels
from edgeclip.labels.scan import scan_image
from edgeclip.labels.similar import Thumbnail, same_shots

USUAL = Path(__file__).parents[2] / "shared/data/camera-traps"
LEAST_PX = 300  # smaller images lose cells when they are resized

Change = Callable[[Image.Image], tuple[Image.Image, int]]
CHANGES: dict[str, Change] = {
    "JPEG quality 50": lambda image: (image, 50),
    "JPEG quality 20": lambda image: (image, 20),
    "half size": lambda image: (image.resize((image.width // 2, image.height // 2)), 85),
    "640 x 480": lambda image: (image.resize((640, 480)), 75),
    "320 x 240": lambda image: (image.resize((320, 240)), 75),
}


def main() -> None:
    """Print how many images are joined within and across bursts, and how many copies are found."""
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path(os.environ.get("EDGECLIP_REAL_DATA", USUAL))
    parser.add_argument("table", type=Path, nargs="?", default=folder / "manifest.csv")
    table = parser.parse_args().table
    if not table.exists():
        print(f"skipped: no real images at {table}: name a table, or set EDGECLIP_REAL_DATA")
        return
    images = load_dataset(read_labels(table), {}).images
    print(f"{len(images)} images, {len({image.sequence for image in images})} sequences")
    for name, undated in (("time or sequence known", False), ("neither known", True)):
        print(f"{name}: {_joined(images, undated=undated)}")
    large = [i for i in images if min(i.facts.width, i.facts.height) >= LEAST_PX]
    for name, change in CHANGES.items():
        print(f"{name}: {_found(large, change)} of {len(large)} copies found")


def _joined(images: Sequence[LabelledImage], *, undated: bool) -> str:
    groups: dict[int, list[LabelledImage]] = {}
    heads = same_shots([i.facts.thumbnail for i in images], [undated] * len(images))
    for image, head in zip(images, heads, strict=True):
        if head is not None:
            groups.setdefault(head, []).append(image)
    bursts = [g for g in groups.values() if len({i.sequence for i in g}) > 1]
    places = [g for g in groups.values() if len({(i.location, i.path.parent) for i in g}) > 1]
    count = sum(map(len, groups.values()))
    return (
        f"{count} images in {len(groups)} groups; {len(bursts)} groups reach over two bursts,"
        f" {len(places)} over two places"
    )


def _found(images: Sequence[LabelledImage], change: Change) -> int:
    found = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.jpg"
        for image in images:
            with Image.open(io.BytesIO(image.path.read_bytes())) as original:
                copy, quality = change(original.convert("RGB"))
            copy.save(path, quality=quality)
            pair: list[Thumbnail | None] = [image.facts.thumbnail, scan_image(path).thumbnail]
            found += same_shots(pair, [False, False])[1] is not None
    return found


if __name__ == "__main__":
    main()
