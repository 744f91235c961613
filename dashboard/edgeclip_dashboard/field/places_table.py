"""Deployments from a CSV file: ours, or a `deployments.csv` of a Camtrap DP package."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import URL
from sqlalchemy.orm import Session

from edgeclip.contract.plurals import counted, first_of
from edgeclip.errors import DashboardError, DataError
from edgeclip_dashboard.database import join_database
from edgeclip_dashboard.deeds import COMMAND_LINE
from edgeclip_dashboard.field.places import PLACE_FIELDS, Place, place_of, save_place
from edgeclip_dashboard.models_field import Deployment

_MOST_BYTES: Final = 20_000_000
_MOST_NAMED: Final = 5
_CAMTRAP_DP: Final = {
    "deploymentID": "deployment_id",
    "locationName": "name",
    "coordinateUncertainty": "uncertainty_m",
    "deploymentStart": "started_at",
    "deploymentEnd": "ended_at",
    "cameraModel": "camera_model",
    "setupBy": "setup_by",
    "deploymentComments": "comments",
}


class Imported(NamedTuple):
    """What became of a table's lines.

    Attributes:
        written: How many were new, or not as they are now.
        same: How many were as the table says.
        new: Ids that neither a device nor a person had named here before.
    """

    written: int
    same: int
    new: tuple[str, ...]

    @property
    def said(self) -> str:
        """In a line; new ids are named, for one may be misspelt."""
        names = first_of(self.new, _MOST_NAMED)
        new = f", {len(self.new)} of them new here ({names})" if self.new else ""
        is_one = self.written == 1
        written = f"{counted(self.written, 'place')} {'is' if is_one else 'are'} written{new}"
        return f"{written}, {self.same} {'was' if self.same == 1 else 'were'} as the table says"


def import_places(file: Path, url: URL, project: str) -> Imported:
    """Write all deployments of a table, or none.

    Args:
        file: CSV with a column `deployment_id` (or Camtrap DP's `deploymentID`).
        url: Of the database.
        project: Whose database it is.

    Raises:
        DataError: The file cannot be read, or a line of it is wrong.
        StoreError: The database cannot be used.
    """
    places = read_table(file)
    now = datetime.now(timezone.utc)
    with join_database(url, project=project) as engine, Session(engine) as session:
        written, new = 0, []
        with session.begin():
            for deployment_id, place in places:
                is_new = session.get(Deployment, deployment_id) is None
                written += save_place(session, deployment_id, place, COMMAND_LINE, now)
                new += [deployment_id] if is_new else []
    return Imported(written, len(places) - written, tuple(new))


def read_table(file: Path) -> list[tuple[str, Place]]:
    """Return the deployments of a table.

    Raises:
        DataError: It cannot be read, or a line of it is wrong: the message names it.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise DataError(f"{file} is larger than any table of deployments: is it that?")
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True)
            names = [_CAMTRAP_DP.get(name, name) for name in reader.fieldnames or ()]
            if "deployment_id" not in names:
                raise DataError(f"{file} has no column deployment_id or deploymentID: add it")
            reader.fieldnames = names
            return [
                _line(f"{file}, line {reader.line_num}", row) for row in reader if any(row.values())
            ]
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read ({error}): save it as CSV in UTF-8") from error


def _line(where: str, row: dict[str, str | None]) -> tuple[str, Place]:
    deployment_id = (row.get("deployment_id") or "").strip()
    texts = {name: row.get(name) or "" for name in PLACE_FIELDS}
    texts["name"] = texts["name"].strip() or deployment_id
    try:
        return deployment_id, place_of(texts)
    except DashboardError as error:
        raise DataError(f"{where}: {error}") from error
