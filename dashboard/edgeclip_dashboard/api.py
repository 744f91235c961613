"""Read-only routes: health, detections and devices as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from edgeclip_dashboard.feed import LiveFeed
from edgeclip_dashboard.health import Health
from edgeclip_dashboard.identity import has_identity
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.queries import (
    DetectionView,
    read_detections,
    read_devices,
)

MOST_DETECTIONS = 1000


def add_health_route(app: FastAPI, health: Health, inbox: Inbox, feed: LiveFeed) -> None:
    """Add `/healthz`: 503 while nothing can be stored or read; a lost link is only reported.

    A stranger is told how it is, and who is signed in also what and how much.
    """

    @app.get("/healthz")
    def healthz(request: Request) -> JSONResponse:
        problem = health.store_error or feed.error
        is_online = health.link.name == "online"
        status = "failing" if problem else "ok" if is_online else "degraded"
        if not has_identity(request.scope):
            state = {"name": health.link.name}
            return JSONResponse({"status": status, "link": state}, 503 if problem else 200)
        counts = asdict(feed.picture.counts) if feed.picture else None
        link = asdict(health.link) | {"since": health.link.since.isoformat()}
        document = {
            "status": status,
            "link": link,
            "store": {"state": "failing" if problem else "ok", "error": problem, "counts": counts},
            "since_start": {
                "started_at": health.started_at.isoformat(),
                "detections": health.detections,
                "duplicates": health.duplicates,
                "malformed": health.malformed,
                "receipts": health.receipts,
                "dropped": inbox.dropped,
                "restarts": health.restarts,
            },
            "waiting": len(inbox),
        }
        return JSONResponse(document, status_code=503 if problem else 200)


def add_data_routes(app: FastAPI, engine: Engine, ledger: Ledger, feed: LiveFeed) -> None:
    """Add `/api/detections` and `/api/devices`."""

    @app.get("/api/detections")
    def detections(limit: int = Query(100, ge=1, le=MOST_DETECTIONS)) -> list[dict[str, Any]]:
        with Session(engine) as session:
            return [_as_json(view, feed) for view in read_detections(session, limit)]

    @app.get("/api/devices")
    def devices() -> list[dict[str, Any]]:
        with Session(engine) as session:
            return [asdict(view) for view in read_devices(session, ledger)]


def _as_json(view: DetectionView, feed: LiveFeed) -> dict[str, Any]:
    document = asdict(view)
    document["media"] = [asdict(media) | {"url": media.url} for media in view.media]
    document["shown_at"] = feed.shown_at(view.detection_id, view.rev)
    document["first_shown_at"] = feed.first_shown_at(view.detection_id)
    return document
