"""Teaching from the dashboard: snapshots in, a delivery on the shelf out, a line in the book."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from edgeclip.contract.pack import read_pack_manifest
from edgeclip.contract.pack_ref import PackRef
from edgeclip.errors import DashboardError, SetupError
from edgeclip_dashboard.config_teaching import TeachingSettings
from edgeclip_dashboard.deeds import note
from edgeclip_dashboard.field.carried import named, packs_to_build_on
from edgeclip_dashboard.field.deliveries import Delivery, PackShelf
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.teaching.delivering import unpack, write_delivery
from edgeclip_dashboard.teaching.running import command_paths, run_teaching
from edgeclip_dashboard.teaching.snapshots import Snapshot, chosen_snapshots, other_snapshots

NO_KEY = (
    "Nothing can be taught here yet: make a key with `edgeclip-export keygen`, name it in"
    " [teaching].key_file, and its public half on the devices."
)


@dataclass(frozen=True)
class Ground:
    """A pack on the shelf that can be built on.

    Attributes:
        delivery: Has its files, by SHA-256.
        reference: Names it.
        came_at: When the delivery came, aware UTC.
    """

    delivery: str
    reference: PackRef
    came_at: datetime

    @property
    def key(self) -> str:
        """Names it in a form."""
        return f"{self.delivery}:{self.name}"

    @property
    def name(self) -> str:
        """Names it for people."""
        return named((self.reference,))[0]


@dataclass(frozen=True)
class Lesson:
    """What is asked for.

    Attributes:
        detection_ids: Whose snapshots show the class.
        name: Of the class.
        ground: Key of the pack that gets it.
    """

    detection_ids: Sequence[str]
    name: str
    ground: str


@dataclass(frozen=True)
class Taught:
    """A pack that was taught: on the shelf, and what `edgeclip teach` says of it.

    Attributes:
        delivery: Has it, and what it was built on.
        pack: As task@version.
        said: How it was taught.
        notes: What must be read first.
    """

    delivery: Delivery
    pack: str
    said: str
    notes: tuple[str, ...]


class TeachingDesk:
    """Teaches one class after the other.

    Args:
        engine: Of the database.
        files: Snapshots on disk.
        shelf: Has the packs.
        settings: The table `[teaching]`.
        key: Vouches for what is taught; None: nothing is.
    """

    def __init__(
        self,
        engine: Engine,
        files: MediaFiles,
        shelf: PackShelf,
        settings: TeachingSettings,
        key: Ed25519PrivateKey | None,
    ) -> None:
        self._engine = engine
        self._files = files
        self._shelf = shelf
        self._settings = settings
        self._key = key
        self._turn = threading.Lock()

    @property
    def problem(self) -> str | None:
        """What must be configured before anything can be taught, or None."""
        return NO_KEY if self._key is None else None

    def grounds(self) -> list[Ground]:
        """Return the newest of each task of a delivery, the newest upload first."""
        found = []
        for kept in self._shelf.kept():
            try:
                references = packs_to_build_on(self._shelf.path_of(kept.sha256))
            except DashboardError:  # taken away by hand, or half a file: no other is the worse
                continue
            found += [Ground(kept.sha256, own, kept.written_at) for own in references]
        return found

    def teach(self, identity: Identity, lesson: Lesson) -> Taught:
        """Teach a class; may take minutes.

        Args:
            identity: Who asks.
            lesson: What is asked for.

        Raises:
            DashboardError: The images, the name or the pack cannot be used, or another is taught
                just now.
            SetupError: What teaches is not configured or not installed.
        """
        if self._key is None:
            raise SetupError(NO_KEY)
        ground = next((own for own in self.grounds() if own.key == lesson.ground), None)
        if ground is None:
            raise DashboardError("choose a pack to build on; it must lie on the page Packs")
        if not self._turn.acquire(blocking=False):
            raise DashboardError("another class is taught just now: try again in a minute")
        try:
            with (
                self._shelf.in_use(ground.delivery),
                tempfile.TemporaryDirectory(prefix="edgeclip-teach-") as folder,
            ):
                return self._taught(identity, lesson, (ground, self._key), Path(folder))
        except OSError as error:
            why = error.strerror or "unreadable"
            raise DashboardError(
                f"a file cannot be read or written ({why}): is there space for temporary files?"
            ) from error
        finally:
            self._turn.release()

    def _taught(
        self,
        identity: Identity,
        lesson: Lesson,
        on: tuple[Ground, Ed25519PrivateKey],
        folder: Path,
    ) -> Taught:
        ground, key = on
        with Session(self._engine) as session:
            shown = chosen_snapshots(session, self._files, lesson.detection_ids)
            others = other_snapshots(session, self._files, lesson.name, lesson.detection_ids)
        below = self._shelf.path_of(ground.delivery)
        pack, out = unpack(below, ground.reference, folder / "below"), folder / "taught"
        images = _copied(shown, folder / "images")
        unlike = _copied(others, folder / "others")
        said = run_teaching(
            self._settings,
            [
                f"--name={lesson.name}", "--on", str(pack), "--out", str(out),
                "--boxes", str(_boxes(folder, shown + others, images + unlike)),
                *command_paths("--images", images), *command_paths("--others", unlike),
            ],
        )  # fmt: skip
        made = read_pack_manifest(out, check_hashes=False)
        now = datetime.now(timezone.utc)
        place = self._shelf.place_for_upload()
        write_delivery(below, out, place, key, now)
        delivery = self._shelf.take_in(place)
        with Session(self._engine) as session, session.begin():
            subject = f"{lesson.name} from {len(images)} images, on {ground.name}"
            note(session, identity, "class taught", subject, now)
        told = said.get("taught")
        line = told.get("said") if isinstance(told, dict) else None
        notes = said.get("notes")
        listed = notes if isinstance(notes, list) else []
        return Taught(
            delivery,
            f"{made.task}@{made.version}",
            str(line or "taught"),
            tuple(str(each) for each in listed),
        )


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
