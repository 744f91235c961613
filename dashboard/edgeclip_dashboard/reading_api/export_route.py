"""`/api/v1/export/{format}`: a whole export as a file, one at a time."""

from __future__ import annotations

import shutil
import tempfile
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask

from edgeclip.errors import ConfigError, DashboardError
from edgeclip_dashboard import deeds
from edgeclip_dashboard.exports.request import ExportRequest, Format, MediaMode, export_request
from edgeclip_dashboard.exports.writing import Source, write_export
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import Identity, Role, identity_of

MAY_EXPORT: Final[Role] = "reviewer"
_SUFFIXES: Final[dict[Format, str]] = {
    "camtrap-dp": ".zip",
    "md-json": ".zip",
    "csv": ".csv",
    "csv-frames": ".csv",
    "geojson": ".geojson",
}
_TYPES: Final = {
    ".zip": "application/zip",
    ".csv": "text/csv; charset=utf-8",
    ".geojson": "application/geo+json",
}


class ExportQuery(DetectionFilter):
    """A filter, and how much is told."""

    obscure: float | None = Field(None, description="Side of a grid's cells, degrees.")
    media: MediaMode = Field("copy", description="copy, url or none.")
    with_people: bool = Field(False, description="Also pictures with people.")
    with_unverified: bool = Field(False, description="Camtrap DP: also unverified attributes.")
    leave_out_unplaced: bool = Field(
        False, description="Not what was seen at places without coordinates."
    )


def add_export_route(router: APIRouter, source: Source) -> None:
    """Add the route; it is for reviewers, and each export is a deed."""
    running = threading.Lock()

    @router.get("/export/{kind}", summary="Detections in a format of the field.")
    def export(
        kind: Format, asked: Annotated[ExportQuery, Query()], request: Request
    ) -> FileResponse:
        identity = identity_of(request.scope)
        if not identity.may(MAY_EXPORT):
            raise HTTPException(403, f"exports are for the role {MAY_EXPORT}: ask an admin")
        if not running.acquire(blocking=False):
            raise HTTPException(429, "another export is being written: try again when it is done")
        try:
            return _answer(source, identity, _request(kind, asked))
        except ConfigError as error:
            raise HTTPException(422, str(error)) from error
        except DashboardError as error:
            raise HTTPException(409, str(error)) from error
        finally:
            running.release()


def _request(kind: Format, asked: ExportQuery) -> ExportRequest:
    plain = DetectionFilter(**{name: getattr(asked, name) for name in DetectionFilter.model_fields})
    return export_request(
        kind,
        plain,
        obscure_deg=asked.obscure,
        media=asked.media,
        with_people=asked.with_people,
        with_unverified=asked.with_unverified,
        leave_out_unplaced=asked.leave_out_unplaced,
    )


def _answer(source: Source, identity: Identity, request: ExportRequest) -> FileResponse:
    """Write an export into a temporary folder, and hand it over when it is whole."""
    now = datetime.now(timezone.utc)
    suffix = _SUFFIXES[request.format]
    folder = Path(tempfile.mkdtemp(prefix="edgeclip-export-"))
    try:
        out = folder / f"{source.project}-{request.format}{suffix}"
        written = write_export(source, request, out, now)
        with Session(source.engine) as session, session.begin():
            deeds.note(session, identity, "exported", f"{request.format}, {written.amount}", now)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(
        out,
        media_type=_TYPES[suffix],
        filename=out.name,
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )
