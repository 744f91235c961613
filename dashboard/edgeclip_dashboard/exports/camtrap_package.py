"""Camtrap DP 1.0.2: three tables, written side by side in one pass, and what describes them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime

from edgeclip.contract.camtrap_dp import (
    DEPLOYMENTS,
    MEDIA,
    OBSERVATIONS,
    Package,
    Period,
    Row,
    open_table,
)
from edgeclip.contract.project_words import ExportSettings
from edgeclip_dashboard.exports.camtrap_rows import (
    deployment_row,
    media_rows,
    observation_rows,
)
from edgeclip_dashboard.exports.sink import Sink
from edgeclip_dashboard.exports.sites import Sites
from edgeclip_dashboard.exports.unplaced import Unplaced, left_out
from edgeclip_dashboard.exports.visits import Visit


class CamtrapPackage:
    """One package: visits are added one by one, then it is described.

    Args:
        sink: Where it is written.
        tables: Holds the tables that grow open; it is closed before the package is described.
        sites: Where deployments are.
        address: Of this dashboard, where pictures are named by it.
        with_unverified: Also answers in words whose trust nobody measured.
    """

    def __init__(
        self,
        sink: Sink,
        tables: ExitStack,
        sites: Sites,
        address: str | None,
        *,
        with_unverified: bool = False,
    ) -> None:
        self._sink, self._sites, self._address = sink, sites, address
        self._with_unverified = with_unverified
        self._media = open_table(tables.enter_context(sink.open("media.csv")), MEDIA)
        out = tables.enter_context(sink.open("observations.csv"))
        self._observations = open_table(out, OBSERVATIONS)
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
        self._observations.writerows(observation_rows(visit, with_unverified=self._with_unverified))

    def describe(
        self, project: str, settings: ExportSettings, now: datetime, unplaced: Unplaced
    ) -> None:
        """Write the deployments and `datapackage.json`.

        Args:
            project: Whose detections these are.
            settings: What people say of the project.
            now: Aware UTC.
            unplaced: What was left out for want of coordinates.
        """
        with self._sink.open("deployments.csv") as out:
            writer = open_table(out, DEPLOYMENTS)
            writer.writerows(self._deployment(one) for one in sorted(self._periods))
        with self._sink.open("datapackage.json") as out:
            described = self._package(project, settings, now, unplaced).described()
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

    def _package(
        self, project: str, settings: ExportSettings, now: datetime, unplaced: Unplaced
    ) -> Package:
        spans = list(self._periods.values())
        found = [self._sites.position(one) for one in self._periods]
        return Package(
            name=f"edgeclip-{project}",
            project=project,
            settings=settings,
            created_at=now,
            period=(
                min((span.start for span in spans), default=now),
                max((span.end for span in spans), default=now),
            ),
            places=[(place.latitude, place.longitude) for place in found if place is not None],
            taxa=self._taxa,
            obscure_deg=self._sites.obscure_deg,
            description=f"{left_out(unplaced)}." if unplaced else "",
        )
