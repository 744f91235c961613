"""Make the pictures of the docs: drawn scenes, a report, a contact sheet, the dashboard's pages.

    python scripts/make_pictures.py [--only NAME ...]

Needs mosquitto and chromium. Nothing is retouched: what a picture shows was made by the tool.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # processes are started as the tests start them

from scripts.pictures.image_files import narrowed, opened, save  # noqa: E402 - after the path
from scripts.pictures.scenes import scenes  # noqa: E402 - likewise
from scripts.pictures.screens import Screens  # noqa: E402 - likewise
from scripts.pictures.world import World, world  # noqa: E402 - likewise
from support.browsers import chromium  # noqa: E402 - likewise

IMAGES = ROOT / "docs/images"
MOST_BYTES = 1_500_000
"""Of all pictures together: each clone carries them."""

NAMES = (
    "scenes", "report", "plots", "sheet", "live", "live-dark", "detection", "heat", "review",
    "map", "activity", "device", "phone",
)  # fmt: skip


def main() -> None:
    """Make all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description="Make the pictures of the docs.")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    chosen = parser.parse_args().only
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder), chosen)
    total = sum((IMAGES / f"{name}.jpg").stat().st_size for name in NAMES)
    print(f"{total / 1e6:.2f} MB in all, at most {MOST_BYTES / 1e6:.1f}")
    sys.exit(total > MOST_BYTES)


def _make(folder: Path, chosen: list[str]) -> None:
    os.chdir(folder)  # pages show where a device's files lie: no path of this machine
    with world(Path(), print) as made, chromium(folder / "shots") as browser:
        screens = Screens(browser, folder / "shots", made)
        for name, picture in _pictures(made, screens).items():
            if name in chosen:
                save(picture(), IMAGES / f"{name}.jpg")
                print(f"docs/images/{name}.jpg: {(IMAGES / f'{name}.jpg').stat().st_size:,} bytes")


def _pictures(made: World, screens: Screens) -> Mapping[str, Callable[[], Image.Image]]:
    """Return what makes each picture, by name."""
    ids = {row["class_name"]: row["detection_id"] for row in reversed(made.dashboard.detections())}
    detection = f"/detections/{ids['leopard']}"
    sheet = made.folder / "look/sheets/leopard-1.jpg"
    return {
        "scenes": scenes,
        "report": screens.report,
        "plots": screens.plots,
        "sheet": lambda: narrowed(opened(sheet), 1080),
        "live": lambda: screens.page("/"),
        "live-dark": lambda: screens.page("/", is_dark=True),
        "detection": lambda: screens.page(detection),
        "heat": lambda: screens.part(f"/detections/{ids['spotted hyena']}", ".snapshot"),
        "review": lambda: screens.page("/review"),
        "map": lambda: screens.page("/map"),
        "activity": lambda: screens.page("/activity"),
        "device": lambda: screens.page("/devices/ridge-north"),
        "phone": lambda: screens.phone("/", detection, "/review"),
    }


if __name__ == "__main__":
    main()
