"""`/media/{sha256}.jpg`: snapshots, people blurred for whom they are not for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from edgeclip_dashboard.identity import Identity, Role, identity_of
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.people_in_media import blurred_jpeg, shows_people
from edgeclip_dashboard.queries import is_shown_media

SEES_PEOPLE: Final[Role] = "reviewer"
"""Who gets pictures of people as they are; who decides what is seen has to see it."""

# Asked for anew each time: who looks may change, and a verdict may say later that it is a person.
_CACHE: Final = {"Cache-Control": "private, no-cache", "Vary": "Cookie, Authorization"}


def add_media_route(app: FastAPI, engine: Engine, files: MediaFiles) -> None:
    """Add the route; only files that a stored detection names are given out."""

    @app.get("/media/{sha256}.jpg")
    def media(sha256: str, request: Request) -> Response:
        path = files.find(sha256)
        with Session(engine) as session:
            if path is None or not is_shown_media(session, sha256):
                raise HTTPException(404, "no such media")
            is_blurred = _is_blurred(session, sha256, identity_of(request.scope))
        return _answer(path, sha256, request, is_blurred=is_blurred)


def _is_blurred(session: Session, sha256: str, identity: Identity) -> bool:
    return not identity.may(SEES_PEOPLE) and shows_people(session, sha256)


def _answer(path: Path, sha256: str, request: Request, *, is_blurred: bool) -> Response:
    tag = f'"{sha256}-blurred"' if is_blurred else f'"{sha256}"'
    headers = _CACHE | {"ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if is_blurred:
        return Response(blurred_jpeg(path), media_type="image/jpeg", headers=headers)
    return FileResponse(path, media_type="image/jpeg", headers=headers)
