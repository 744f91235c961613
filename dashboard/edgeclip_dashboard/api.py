"""Read-only routes: health, media, detections and devices as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import FileResponse, JSONResponse
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from edgeclip_dashboard.feed import LiveFeed
from edgeclip_dashboard.health import Health
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.queries import (
    DetectionView,
    is_shown_media,
    read_detections,
    read_picture,
)

MOST_DETECTIONS = 1000
_FOR_EVER = "private, max-age=31536000, immutable"  # a file named by its hash never changes


def add_health_route(app: FastAPI, health: Health, inbox: Inbox, feed: LiveFeed) -> None:
    """Add `/healthz`: 503 while nothing can be stored or read; a lost link is only reported."""

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        problem = health.store_error or feed.error
        is_online = health.link.name == "online"
        status = "failing" if problem else "ok" if is_online else "degraded"
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


def add_media_route(app: FastAPI, engine: Engine, files: MediaFiles) -> None:
    """Add `/media/{sha256}.jpg`; only files that a stored detection names are given out."""

    @app.get("/media/{sha256}.jpg")
    def media(sha256: str) -> Response:
        path = files.find(sha256)
        with Session(engine) as session:
            if path is None or not is_shown_media(session, sha256):
                raise HTTPException(404, "no such media")
        return FileResponse(path, media_type="image/jpeg", headers={"Cache-Control": _FOR_EVER})


def add_data_routes(app: FastAPI, engine: Engine, ledger: Ledger, feed: LiveFeed) -> None:
    """Add `/api/detections` and `/api/devices`."""

    @app.get("/api/detections")
    def detections(limit: int = Query(100, ge=1, le=MOST_DETECTIONS)) -> list[dict[str, Any]]:
        with Session(engine) as session:
            return [_as_json(view, feed) for view in read_detections(session, limit)]

    @app.get("/api/devices")
    def devices() -> list[dict[str, Any]]:
        return [asdict(view) for view in read_picture(engine, ledger, newest=1).devices]


def _as_json(view: DetectionView, feed: LiveFeed) -> dict[str, Any]:
    document = asdict(view)
    document["media"] = [asdict(media) | {"url": media.url} for media in view.media]
    document["shown_at"] = feed.shown_at(view.detection_id, view.rev)
    document["first_shown_at"] = feed.first_shown_at(view.detection_id)
    return document
