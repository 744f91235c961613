"""GeoJSON (RFC 7946): a point a visit, streamed into one FeatureCollection."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TextIO

from edgeclip_dashboard.exports.csv_out import cell
from edgeclip_dashboard.exports.sites import Sites
from edgeclip_dashboard.exports.visits import Visit


def write_geojson(out: TextIO, visits: Iterable[Visit], sites: Sites) -> tuple[int, int]:
    """Write what was seen; return how many visits, and how many of them have no coordinates.

    A visit whose deployment is nowhere yet has the geometry null, which the standard allows.
    """
    out.write('{"type":"FeatureCollection","features":[')
    count = lost = 0
    for visit in visits:
        if not visit.is_observation:
            continue
        feature = _feature(visit, sites)
        out.write(("," if count else "") + "\n" + json.dumps(feature, ensure_ascii=False))
        count += 1
        lost += feature["geometry"] is None
    out.write("\n]}\n")
    return count, lost


def _feature(visit: Visit, sites: Sites) -> dict[str, Any]:
    row, judged = visit.row, visit.judged
    position = sites.position(row.deployment_id)
    return {
        "type": "Feature",
        "id": row.detection_id,
        # longitude first, as the standard has it
        "geometry": position
        and {"type": "Point", "coordinates": [position.longitude, position.latitude]},
        "properties": {
            "deployment": row.deployment_id,
            "location": sites.find(row.deployment_id).name,
            "started_at": cell(visit.started_at),
            "best_at": cell(visit.best_at),
            "ended_at": cell(visit.ended_at),
            "label": judged.class_name,
            "scientific_name": judged.scientific_name,
            "observation_type": judged.observation_type,
            "is_human_verdict": judged.is_human,
            "classified_by": judged.by,
            "probability": judged.probability,
            "severity": row.severity,
            "light": row.light,
            "coordinate_uncertainty_m": position and position.uncertainty_m,
        },
    }
