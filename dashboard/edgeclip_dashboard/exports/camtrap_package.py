"""Camtrap DP 1.0.2: three tables, written side by side in one pass, and what describes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from edgeclip_dashboard.config_export import ExportSettings
from edgeclip_dashboard.exports import camtrap_columns as columns
from edgeclip_dashboard.exports.camtrap_rows import (
    Row,
    deployment_row,
    media_rows,
    observation_rows,
    time_text,
)
from edgeclip_dashboard.exports.sink import Sink
from edgeclip_dashboard.exports.sites import Period, Sites
from edgeclip_dashboard.exports.visits import Visit


class CamtrapPackage:
    """One package: visits are added one by one, then it is described.

    Args:
        sink: Where it is written.
        tables: Holds the tables that grow open; it is closed before the package is described.
        sites: Where deployments are.
        address: Of this dashboard, where pictures are named by it.
    """

    def __init__(self, sink: Sink, tables: ExitStack, sites: Sites, address: str | None) -> None:
        self._sink, self._sites, self._address = sink, sites, address
        self._media = _table(sink, tables, "media", columns.MEDIA)
        self._observations = _table(sink, tables, "observations", columns.OBSERVATIONS)
        self._periods: dict[str, Period] = {}
        self._cameras: dict[str, str] = {}
        self._doubtful: set[str] = set()
        self._taxa: dict[str, str] = {}
        self.nameless: set[str] = set()

    def add(self, visit: Visit) -> None:
        """Add a visit that is an observation."""
        row, judged = visit.row, visit.judged
        period = self._periods.setdefault(
            row.deployment_id, Period(visit.started_at, visit.ended_at)
        )
        period.widen(visit.started_at, visit.ended_at)
        self._cameras[row.deployment_id] = row.camera_id
        if row.clock != "trusted":
            self._doubtful.add(row.deployment_id)
        if judged.observation_type == "animal" and judged.class_name:
            if judged.scientific_name:
                self._taxa.setdefault(judged.scientific_name, judged.class_name)
            else:
                self.nameless.add(judged.class_name)
        self._media.writerows(media_rows(visit, self._address))
        self._observations.writerows(observation_rows(visit))

    def describe(self, project: str, settings: ExportSettings, now: datetime) -> None:
        """Write the deployments and `datapackage.json`.

        Args:
            project: Whose detections these are.
            settings: What people say of the project.
            now: Aware UTC.
        """
        with self._sink.open("deployments.csv") as out:
            writer = csv.DictWriter(out, columns.DEPLOYMENTS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._deployment(one) for one in sorted(self._periods))
        with self._sink.open("datapackage.json") as out:
            described = self._described(project, settings, now)
            json.dump(described, out, indent=2, ensure_ascii=False)

    def _deployment(self, deployment_id: str) -> Row:
        deployment, position = self._sites.find(deployment_id), self._sites.position(deployment_id)
        if position is None:
            raise ValueError(f"{deployment_id} has no coordinates: these were required before")
        period = self._periods[deployment_id]
        period.widen(deployment.started_at, deployment.ended_at)
        is_doubtful = deployment_id in self._doubtful
        described = deployment_row(deployment, position, period, has_doubtful_times=is_doubtful)
        return described | {"cameraID": self._cameras[deployment_id]}

    def _described(self, project: str, settings: ExportSettings, now: datetime) -> dict[str, Any]:
        spans = list(self._periods.values())
        start = min((span.start for span in spans), default=now)
        end = max((span.end for span in spans), default=now)
        tables = ("deployments", "media", "observations")
        return {
            "resources": [_resource(name) for name in tables],
            "profile": columns.PROFILE,
            "name": f"edgeclip-{project}",
            "created": time_text(now),
            "title": settings.title or project,
            "contributors": [settings.contributor(project)],
            "sources": [{"title": "edgeclip"}],
            **settings.licences(),
            "project": {
                "title": settings.title or project,
                "samplingDesign": settings.sampling_design,
                "captureMethod": ["activityDetection"],
                "individualAnimals": False,
                "observationLevel": ["event", "media"],
            },
            **_precision(self._sites.obscure_deg),
            "spatial": self._spatial(),
            "temporal": {"start": f"{start:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"},
            "taxonomic": [
                {"scientificName": name, "vernacularNames": {"eng": said.replace("_", " ")}}
                for name, said in sorted(self._taxa.items())
            ],
        }

    def _spatial(self) -> dict[str, Any]:
        """Return the box around all deployments, as GeoJSON; a single one is a point."""
        found = [self._sites.position(one) for one in self._periods]
        places = [place for place in found if place is not None]
        if not places:
            return {"type": "GeometryCollection", "geometries": []}
        west, east = _range(place.longitude for place in places)
        south, north = _range(place.latitude for place in places)
        if (west, south) == (east, north):
            return {"type": "Point", "coordinates": [west, south]}
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return {"type": "Polygon", "coordinates": [ring]}


def _table(
    sink: Sink, tables: ExitStack, name: str, header: tuple[str, ...]
) -> csv.DictWriter[str]:
    out = tables.enter_context(sink.open(f"{name}.csv"))
    writer = csv.DictWriter(out, header, restval="", lineterminator="\n")
    writer.writeheader()
    return writer


def _precision(grid: float | None) -> dict[str, float]:
    return {} if grid is None else {"coordinatePrecision": grid}


def _resource(name: str) -> dict[str, str]:
    return {
        "name": name,
        "path": f"{name}.csv",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": columns.schema_address(name),
    }


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return min(known), max(known)
