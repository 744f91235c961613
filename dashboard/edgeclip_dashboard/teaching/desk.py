"""Teaching from the dashboard: snapshots in, a delivery on the shelf out, a line in the book."""

from __future__ import annotations

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
from edgeclip_dashboard.teaching.bench import lay_out
from edgeclip_dashboard.teaching.delivering import unpack, write_delivery
from edgeclip_dashboard.teaching.running import run_teaching
from edgeclip_dashboard.teaching.set_up import NO_KEY, wrong_path
from edgeclip_dashboard.teaching.snapshots import chosen_snapshots, other_snapshots
from edgeclip_dashboard.teaching.told import PageWords


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

    def problem(self) -> str | None:
        """Return what must be configured before anything can be taught, or None."""
        if self._key is None:
            return NO_KEY
        wrong = wrong_path(self._settings)
        return f"Nothing can be taught now. {wrong}." if wrong else None

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
        if wrong := wrong_path(self._settings):
            raise SetupError(wrong)
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
            unlike = other_snapshots(session, self._files, lesson.name, lesson.detection_ids)
        others = [own for own in unlike if own.path not in {one.path for one in shown}]
        below = self._shelf.path_of(ground.delivery)
        pack = unpack(below, ground.reference, folder / "below")
        bench = lay_out(folder, (pack, ground.name), shown, others)
        words = PageWords(lesson.name, folder, bench.words | _words(self._settings))
        try:
            said = run_teaching(self._settings, [f"--name={lesson.name}", *bench.arguments])
        except DashboardError as error:
            raise DashboardError(words.of(str(error))) from error
        made = read_pack_manifest(bench.out, check_hashes=False)
        now = datetime.now(timezone.utc)
        place = self._shelf.place_for_upload()
        write_delivery(below, bench.out, place, key, now)
        delivery = self._shelf.take_in(place)
        with Session(self._engine) as session, session.begin():
            subject = f"{lesson.name} from {len(shown)} images, on {ground.name}"
            note(session, identity, "class taught", subject, now)
        told = said.get("taught")
        line = told.get("said") if isinstance(told, dict) else None
        notes = said.get("notes")
        listed = notes if isinstance(notes, list) else []
        return Taught(
            delivery,
            f"{made.task}@{made.version}",
            str(line or "taught"),
            tuple(words.of(str(each)) for each in listed),
        )


def _words(settings: TeachingSettings) -> dict[Path, str]:
    return {settings.bundle: "[teaching].bundle"} if settings.bundle else {}
