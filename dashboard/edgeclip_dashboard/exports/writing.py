"""One export from the store to a file, a folder or an archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from sqlalchemy import Engine

from edgeclip.contract.project_words import ExportSettings
from edgeclip.errors import ConfigError
from edgeclip_dashboard.exports.camtrap_package import CamtrapPackage
from edgeclip_dashboard.exports.camtrap_rows import MEDIA_FOLDER
from edgeclip_dashboard.exports.csv_out import write_frames, write_visits
from edgeclip_dashboard.exports.geojson import write_geojson
from edgeclip_dashboard.exports.judging import Classes
from edgeclip_dashboard.exports.megadetector import MegaDetectorFile
from edgeclip_dashboard.exports.request import WITH_FAILURES, ExportRequest, Written
from edgeclip_dashboard.exports.sink import Sink, open_single, open_sink
from edgeclip_dashboard.exports.sites import Sites
from edgeclip_dashboard.exports.tally import Tally
from edgeclip_dashboard.exports.unplaced import read_unplaced, refusal
from edgeclip_dashboard.exports.visits import Visit, read_visits
from edgeclip_dashboard.media_files import MediaFiles

MEGADETECTOR_FILE: Final = "edgeclip.json"
"""Beside the pictures: Timelapse looks for it in the root of the image set."""


@dataclass(frozen=True)
class Source:
    """What is exported from.

    Attributes:
        engine: Of the store.
        files: The pictures.
        project: Whose detections these are.
        settings: What people say of the project.
        address: Of this dashboard, for pictures that are named by it; None where it has none.
    """

    engine: Engine
    files: MediaFiles
    project: str
    settings: ExportSettings
    address: str | None = None


def write_export(
    source: Source, request: ExportRequest, out: Path, now: datetime, *, overwrite: bool = False
) -> Written:
    """Write an export, whole or not at all.

    Args:
        source: The store.
        request: What is wanted.
        out: For camtrap-dp a folder, or a name that ends in `.zip`; for md-json likewise, or a
            name that ends in `.json` for the file alone; else a file.
        now: Aware UTC.
        overwrite: Whether it may replace what is there.

    Raises:
        ConfigError: Something is there, or addresses are asked for without `[page].public_url`.
        MappingError: The format cannot say it.
        DashboardError: It cannot be written.
    """
    if request.media == "url" and source.address is None:
        raise ConfigError("pictures have addresses where [page].public_url is set: set it")
    return _Export(source, request, now).write(out, overwrite=overwrite)


class _Export:
    """What the writers of one export share."""

    def __init__(self, source: Source, request: ExportRequest, now: datetime) -> None:
        self._source, self._request, self._now = source, request, now
        self._sites = Sites(source.engine, request.obscure_deg)
        self._tally = Tally()

    def write(self, out: Path, *, overwrite: bool) -> Written:
        kind = self._request.format
        if kind == "camtrap-dp":
            self._require_positions()  # before anything is written, since that may take long
            with open_sink(out, overwrite=overwrite) as sink:
                self._camtrap(sink)
        elif kind == "md-json" and out.suffix != ".json":
            with open_sink(out, overwrite=overwrite) as sink, sink.open(MEGADETECTOR_FILE) as text:
                self._megadetector(text, sink)
        else:
            with open_single(out, overwrite=overwrite) as text:
                self._single(text)
        tally = self._tally
        left_out = tally.unplaced.total()
        return Written(tally.detections, tally.pictures, tuple(tally.notes()), left_out)

    def _single(self, text: TextIO) -> None:
        kind, tally = self._request.format, self._tally
        if kind == "md-json":
            self._megadetector(text, None)
        elif kind == "csv":
            tally.detections = write_visits(text, self._visits(), self._sites)
        elif kind == "csv-frames":
            tally.detections = write_frames(text, self._visits(), self._sites)
        else:
            tally.detections, tally.nowhere = write_geojson(text, self._visits(), self._sites)

    def _camtrap(self, sink: Sink) -> None:
        source = self._source
        address = source.address if self._request.media == "url" else None
        with ExitStack() as tables:
            with_unverified = self._request.with_unverified
            package = CamtrapPackage(
                sink, tables, self._sites, address, with_unverified=with_unverified
            )
            for visit in self._visits():
                if not visit.is_observation:
                    continue
                self._require_position(visit)
                package.add(visit)
                self._copy(visit, sink, f"{MEDIA_FOLDER}/")
                self._tally.detections += 1
        package.describe(source.project, source.settings, self._now, self._tally.unplaced)
        self._tally.nameless = package.nameless

    def _megadetector(self, text: TextIO, sink: Sink | None) -> None:
        file = MegaDetectorFile(text, self._now)
        for visit in self._visits():
            if visit.shows_people and not self._request.with_people:
                self._tally.private += len(visit.pictures)
                continue
            for position, picture in enumerate(visit.pictures):
                file.add(visit, picture, is_best=position == 0)
            if sink is not None:
                self._copy(visit, sink, "")
            self._tally.detections += 1
        file.close()

    def _require_positions(self) -> None:
        if self._request.leave_out_unplaced:
            return
        unplaced = read_unplaced(self._source.engine, self._request.asked)
        if unplaced:
            raise refusal(unplaced)

    def _require_position(self, visit: Visit) -> None:
        """Refuse what came while the package was being written, from a place that is new."""
        deployment_id = visit.row.deployment_id
        if self._sites.position(deployment_id) is None:
            raise refusal({deployment_id: 1})

    def _visits(self) -> Iterator[Visit]:
        classes = Classes(self._source.settings.scientific_names)
        for visit in read_visits(self._source.engine, self._request.asked, classes):
            if not self._is_left_out(visit):
                yield visit

    def _is_left_out(self, visit: Visit) -> bool:
        """Say whether nobody knows where it was seen and that is not wanted; what is, is counted.

        A failure counts where it would have been written.
        """
        deployment_id = visit.row.deployment_id
        if not self._request.leave_out_unplaced or self._sites.position(deployment_id):
            return False
        if visit.is_observation or self._request.format in WITH_FAILURES:
            self._tally.unplaced[deployment_id] += 1
        return True

    def _copy(self, visit: Visit, sink: Sink, folder: str) -> None:
        if self._request.media != "copy":
            return
        if visit.shows_people and not self._request.with_people:
            self._tally.private += len(visit.pictures)
            return
        for picture in visit.pictures:
            path = self._source.files.find(picture.sha256)
            if path is None:
                self._tally.gone += 1
            else:
                sink.copy(path, folder + picture.name)
                self._tally.pictures += 1
