"""`/api/v1`: detections, devices, deployments and verdicts for programs; nothing is written."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.openapi.utils import get_openapi
from pydantic import AwareDatetime, Field
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import DetectionId, Identifier
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import Device
from edgeclip_dashboard.models_field import Deployment, DeviceAlarm, HealthSample
from edgeclip_dashboard.reading_api.answers import (
    AlarmAnswer,
    DeploymentAnswer,
    DetectionPage,
    DeviceAnswer,
    HealthAnswer,
    VerdictPage,
    WholeDetection,
)
from edgeclip_dashboard.reading_api.reading import read_page, read_verdicts, read_whole

API_VERSION: Final = "1.0"
_MOST: Final = 1000

Limit = Annotated[int, Query(ge=1, le=_MOST, description="At most so many.")]


class DetectionQuery(DetectionFilter):
    """A filter, and which page of it."""

    limit: int = Field(100, ge=1, le=_MOST, description="At most so many.")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before.")


def refuse_nul(request: Request) -> None:
    """Refuse what no name has, and what PostgreSQL would fail at.

    Raises:
        HTTPException: 422.
    """
    if any("\0" in value for _, value in request.query_params.multi_items()):
        raise HTTPException(422, "a value has a NUL character: no name has one")


def api_v1(engine: Engine) -> APIRouter:
    """Return the routes; more may be added before `add_description` joins them."""
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(refuse_nul)])
    _add_detections(router, engine)
    _add_devices(router, engine)

    @router.get("/deployments", summary="Where cameras stand.")
    def deployments() -> list[DeploymentAnswer]:
        with Session(engine) as session:
            rows = session.scalars(select(Deployment).order_by(Deployment.deployment_id))
            return [DeploymentAnswer.model_validate(row) for row in rows]

    return router


def add_description(app: FastAPI, router: APIRouter) -> None:
    """Join a whole router to the application, and describe it at `/api/openapi.json`."""
    app.include_router(router)

    @app.get("/api/openapi.json", include_in_schema=False)
    def openapi() -> dict[str, Any]:
        described = get_openapi(
            title="edgeclip dashboard",
            version=API_VERSION,
            description="Send a token of `edgeclip-dashboard token add`: Authorization: Bearer ...",
            routes=router.routes,
        )
        bearer = {"token": {"type": "http", "scheme": "bearer"}}
        described.setdefault("components", {})["securitySchemes"] = bearer
        return described | {"security": [{"token": []}]}


def _add_detections(router: APIRouter, engine: Engine) -> None:
    @router.get("/detections", summary="Detections, the newest first, a page at a time.")
    def detections(asked: Annotated[DetectionQuery, Query()]) -> DetectionPage:
        with Session(engine) as session:
            return read_page(session, asked, asked.limit, asked.cursor)

    @router.get("/detections/{detection_id}", summary="One detection with its whole history.")
    def detection(detection_id: Annotated[DetectionId, Path()]) -> WholeDetection:
        with Session(engine) as session:
            found = read_whole(session, detection_id)
        if found is None:
            raise HTTPException(404, "no such detection")
        return found

    @router.get("/verdicts", summary="What people said, in the order in which they said it.")
    def verdicts(
        limit: Limit = 100,
        after: Annotated[int, Query(ge=0, description="`next` of the page before.")] = 0,
    ) -> VerdictPage:
        with Session(engine) as session:
            return read_verdicts(session, limit, after)


def _add_devices(router: APIRouter, engine: Engine) -> None:
    @router.get("/devices", summary="What each device last said of itself.")
    def devices() -> list[DeviceAnswer]:
        with Session(engine) as session:
            rows = session.scalars(select(Device).order_by(Device.device_id))
            return [DeviceAnswer.model_validate(row) for row in rows]

    @router.get("/devices/{device_id}/alarms", summary="Its alarms, those that stand first.")
    def alarms(device_id: Annotated[Identifier, Path()], limit: Limit = 100) -> list[AlarmAnswer]:
        row = DeviceAlarm
        query = select(row).where(row.device_id == device_id)
        standing_first = query.order_by(row.over_at.is_not(None), row.id.desc()).limit(limit)
        with Session(engine) as session:
            return [AlarmAnswer.model_validate(one) for one in session.scalars(standing_first)]

    @router.get("/devices/{device_id}/health", summary="Its health, the newest first.")
    def health(
        device_id: Annotated[Identifier, Path()],
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        limit: Limit = 100,
    ) -> list[HealthAnswer]:
        with Session(engine) as session:
            return _health(session, device_id, (since, until), limit)


def _health(
    session: Session, device_id: str, period: tuple[datetime | None, datetime | None], limit: int
) -> list[HealthAnswer]:
    row = HealthSample
    query = select(row).where(row.device_id == device_id)
    since, until = period
    if since is not None:
        query = query.where(row.at >= since)
    if until is not None:
        query = query.where(row.at < until)
    newest_first = query.order_by(row.at.desc(), row.id.desc()).limit(limit)
    return [HealthAnswer.model_validate(one) for one in session.scalars(newest_first)]
