"""Write what waits in an outbox into one file, to be carried to the dashboard by hand."""

from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from edgeclip.contract.carried import DETECTIONS_FILE, HEADER_FILE, Carried, media_name
from edgeclip.contract.files import reason_of, remedy_for, sync_folder
from edgeclip.errors import OutboxError
from edgeclip_device import database


def carry(state: Path, out: Path, now: datetime | None) -> Carried | None:
    """Copy what waits into a ZIP, whole or not at all; the outbox stays as it is.

    What the dashboard has taken in by hand it receipts when the device sends it again.

    Args:
        state: The state folder; detect and uplink may work on it.
        out: The file that is written; it must not be there.
        now: Stands in the file; None where the clock is not believed.

    Returns:
        The file's header; None where nothing waits, and nothing is written.

    Raises:
        OutboxError: There is no outbox, it cannot be read, or the file cannot be written.
    """
    if out.exists():
        raise OutboxError(f"{out} is there already: name another file")
    path = state / database.DATABASE_FILE
    if not path.is_file():
        raise OutboxError(f"{state} holds no outbox: name the state folder of detect with --state")
    part = out.with_name(out.name + ".part")
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as connection:
            connection.execute("BEGIN")  # one state of it, whatever is committed meanwhile
            header = _write(connection, state / database.MEDIA_FOLDER, part, now)
        if header is not None:
            part.replace(out)
            sync_folder(out.absolute().parent)
    except sqlite3.Error as error:
        raise OutboxError(f"{path} cannot be read ({error}): see `outbox status`") from error
    except OSError as error:
        said = f"{out} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        raise OutboxError(said) from error
    finally:
        part.unlink(missing_ok=True)
    return header


def _write(
    connection: sqlite3.Connection, folder: Path, part: Path, now: datetime | None
) -> Carried | None:
    first = connection.execute("SELECT topic FROM outbox ORDER BY seq LIMIT 1").fetchone()
    if first is None:  # snapshots alone would be of no use to anybody
        return None
    _, _, project, device_id = first[0].split("/")[:4]
    with part.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        detections = _write_detections(connection, archive)
        header = Carried(
            project=project,
            device_id=device_id,
            epoch=str(database.read_meta(connection, "epoch")),
            detections=detections,
            media=_write_media(connection, folder, archive),
            written_at=now,
        )
        archive.writestr(HEADER_FILE, header.to_json())
        archive.close()
        file.flush()
        os.fsync(file.fileno())
    return header


def _write_detections(connection: sqlite3.Connection, archive: zipfile.ZipFile) -> int:
    count = 0
    with archive.open(DETECTIONS_FILE, "w", force_zip64=True) as lines:
        for (payload,) in connection.execute("SELECT payload FROM outbox ORDER BY seq"):
            document = {**json.loads(payload), "historical": True}
            line = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
            lines.write(line.encode() + b"\n")
            count += 1
    return count


def _write_media(connection: sqlite3.Connection, folder: Path, archive: zipfile.ZipFile) -> int:
    """Copy the snapshots; one that the uplink has meanwhile brought away is passed over."""
    count = 0
    for detection_id, n, path in connection.execute("SELECT detection_id, n, path FROM media"):
        try:
            data = (folder / path).read_bytes()
        except FileNotFoundError:
            continue
        archive.writestr(media_name(detection_id, n), data, zipfile.ZIP_STORED)
        count += 1
    return count
