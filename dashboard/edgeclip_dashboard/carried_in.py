"""Take in what was carried here from a device by hand, as if it had come by MQTT."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from edgeclip.contract.carried import DETECTIONS_FILE, HEADER_FILE, MEDIA_FOLDER, Carried
from edgeclip.contract.detection import MOST_BYTES, Severity
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import DashboardError
from edgeclip_dashboard.config import DashboardSettings
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import Incoming, parse_message
from edgeclip_dashboard.store import Store

_BATCH: Final = 100
_MOST_HEADER_BYTES: Final = 10_000
_DAMAGE: Final = (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError)


@dataclass
class TakenIn:
    """What became of a file that was carried here.

    Attributes:
        detections: New ones.
        known: Detections that were here before.
        media: Snapshots that are here now.
        refused: Messages that cannot be stored; they are kept raw, and shown.
    """

    detections: int = 0
    known: int = 0
    media: int = 0
    refused: int = 0


def take_in(file: Path, settings: DashboardSettings) -> TakenIn:
    """Store what a file holds; what is known already is not stored twice.

    The dashboard must not run meanwhile: its database belongs to one process.

    Args:
        file: A ZIP of `edgeclip-device outbox export`.
        settings: Of the dashboard.

    Raises:
        DashboardError: It is no such file, is damaged, or of another project.
        StoreError: The database or the media folder cannot be used.
    """
    taken = TakenIn()
    if not file.is_file():
        raise DashboardError(f"{file} is no file: name one of `edgeclip-device outbox export`")
    try:
        with zipfile.ZipFile(file) as archive:
            header = _header(archive, file, settings.project)
            with open_database(
                database_url(settings.store.database), project=settings.project
            ) as engine:
                files = MediaFiles(settings.store.media, most_bytes=settings.store.media_max_bytes)
                store = Store(engine, files, name="carried in")
                for batch in _batches(_messages(archive, header, settings)):
                    committed = store.commit(batch, datetime.now(timezone.utc))
                    taken.detections += len(committed.stored) - committed.duplicates
                    taken.known += committed.duplicates
                    taken.media += len(committed.media)
                    taken.refused += committed.malformed
    except _DAMAGE as error:
        raise DashboardError(
            f"{file} cannot be read ({error}): copy it from the stick anew"
        ) from error
    return taken


def _header(archive: zipfile.ZipFile, file: Path, project: str) -> Carried:
    try:
        with archive.open(HEADER_FILE) as opened:
            header = Carried.model_validate_json(opened.read(_MOST_HEADER_BYTES))
    except (KeyError, ValidationError) as error:
        raise DashboardError(
            f"{file} is no file of `edgeclip-device outbox export`, or of newer software"
        ) from error
    if header.project != project:
        raise DashboardError(f"{file} is of project {header.project}: name it with --project")
    return header


def _messages(
    archive: zipfile.ZipFile, header: Carried, settings: DashboardSettings
) -> Iterator[Incoming]:
    topics = DeviceTopics(header.project, header.device_id)
    with archive.open(DETECTIONS_FILE) as lines:
        while line := lines.readline(MOST_BYTES + 1):
            topic = topics.detection(_severity(line))
            yield parse_message(topic, line.rstrip(b"\n"), project=header.project)
    most = settings.store.media_max_bytes
    for entry in archive.infolist():
        if entry.filename.startswith(f"{MEDIA_FOLDER}/") and not entry.is_dir():
            name = entry.filename.removeprefix(f"{MEDIA_FOLDER}/").removesuffix(".jpg")
            with archive.open(entry) as opened:
                data = opened.read(most + 1)
            yield parse_message(f"{topics.prefix}/up/media/{name}", data, project=header.project)


def _severity(line: bytes) -> Severity:
    """Return the severity that a line has; of an unreadable one any, as it is refused."""
    try:
        return "routine" if json.loads(line).get("severity") == "routine" else "alert"
    except (ValueError, AttributeError, RecursionError):
        return "alert"


def _batches(messages: Iterator[Incoming]) -> Iterator[list[Incoming]]:
    batch: list[Incoming] = []
    for message in messages:
        batch.append(message)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
