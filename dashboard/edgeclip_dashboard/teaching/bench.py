"""The files of one teaching, in a folder of their own, as `edgeclip teach` takes them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeclip_dashboard.teaching.running import command_paths
from edgeclip_dashboard.teaching.snapshots import Snapshot


@dataclass(frozen=True)
class Bench:
    """What was laid out.

    Attributes:
        arguments: Of the command, without the class's name.
        out: Where it writes the pack.
        words: By path what lies there, for people.
    """

    arguments: tuple[str, ...]
    out: Path
    words: dict[Path, str]


def lay_out(
    folder: Path, pack: tuple[Path, str], shown: list[Snapshot], others: list[Snapshot]
) -> Bench:
    """Copy what is taught from into a folder.

    Args:
        folder: Is there, and empty but for the pack.
        pack: What is built on, and its name.
        shown: They show the class.
        others: They do not.

    Raises:
        OSError: The folder cannot be written.
    """
    images = _copied(shown, folder / "images")
    unlike = _copied(others, folder / "others")
    boxes = _boxes(folder, shown + others, images + unlike)
    out = folder / "taught"
    arguments = (
        "--on", str(pack[0]), "--out", str(out), "--boxes", str(boxes),
        *command_paths("--images", images), *command_paths("--others", unlike),
    )  # fmt: skip
    words = dict([pack]) | {path: f"picture {n}" for n, path in enumerate(images, start=1)}
    words |= dict.fromkeys(unlike, "a picture that people judged to be something else")
    return Bench(arguments, out, words)


def _copied(snapshots: Sequence[Snapshot], folder: Path) -> list[Path]:
    """Return copies under plain names: what is taught must not depend on how media are kept."""
    folder.mkdir()
    return [
        Path(shutil.copyfile(snapshot.path, folder / f"{number}.jpg"))
        for number, snapshot in enumerate(snapshots)
    ]


def _boxes(folder: Path, snapshots: Sequence[Snapshot], paths: Sequence[Path]) -> Path:
    """Write where something moved as a detector would, and return the file."""
    images = [
        {
            "file": str(path),
            "detections": [{"category": "1", "conf": 1.0, "bbox": list(snapshot.box)}]
            if snapshot.box
            else [],
        }
        for snapshot, path in zip(snapshots, paths, strict=True)
    ]
    content = {"images": images, "detection_categories": {"1": "animal"}, "info": {}}
    file = folder / "boxes.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file
