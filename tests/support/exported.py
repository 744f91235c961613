"""A store filled with what exports have to cope with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip.contract.project_words import ExportSettings
from edgeclip_dashboard.exports.writing import Source
from edgeclip_dashboard.messages import MediaMessage
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.models_people import Verdict
from support.dashboards import jpeg, media_ref, sample
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk

SOMEWHERE = (-3.123456, 36.512345)
NAMES = {"leopard": "Panthera pardus", "hyena": "Crocuta crocuta"}


def source_of(desk: Desk, address: str | None = None, **settings: Any) -> Source:
    """Return what is exported from, with scientific names of two classes."""
    given = ExportSettings.model_validate({"scientific_names": NAMES} | settings)
    return Source(desk.engine, desk.files, "demo", given, address)


def place(desk: Desk, deployment_id: str = "ridge-2026", **fields: Any) -> None:
    """Write down where a deployment is, as a person would."""
    latitude, longitude = SOMEWHERE
    with Session(desk.engine) as session, session.begin():
        row = session.get_one(Deployment, deployment_id)
        for name, value in ({"latitude": latitude, "longitude": longitude} | fields).items():
            setattr(row, name, value)


def visit(seq: int, at: datetime = AT, **changes: Any) -> Detection:
    """Return a detection at a time, with a picture of its own unless others are given."""
    time = sample().time.model_copy(
        update={
            "started_at": at,
            "best_at": at + timedelta(milliseconds=1500),
            "ended_at": at + timedelta(seconds=9),
        }
    )
    if "media" not in changes:
        changes["media"] = [media_ref(jpeg(seq))]
    return sample(**({"seq": seq, "time": time} | changes))


def picture_of(detection: Detection, seed: int, n: int = 0) -> MediaMessage:
    """Return the message with a picture that `visit` announces."""
    return MediaMessage(detection.device_id, detection.detection_id, n, jpeg(seed))


def say(
    desk: Desk, detection: Detection, word: str, class_name: str | None = None, note: str = ""
) -> None:
    """Let Ada give a verdict."""
    with Session(desk.engine) as session, session.begin():
        row = session.get_one(DetectionRow, detection.detection_id)
        row.verdict, row.verdict_class = word, class_name
        session.add(
            Verdict(
                detection_id=detection.detection_id,
                rev=row.rev,
                verdict=word,
                class_name=class_name,
                note=note,
                account_name="ada",
                at=AT + timedelta(days=1),
            )
        )


def fill(desk: Desk) -> dict[str, Detection]:
    """Store one of each kind of detection, by name, with pictures, at a place that is known."""
    person: dict[str, Any] = {"class_name": "person", "observation_type": "human"}
    nothing: dict[str, Any] = {"class_name": None, "probability": None, "top": []}
    failed = nothing | {"observation_type": "unclassified", "failure": "engine_failed"}
    kinds: dict[str, dict[str, Any]] = {
        "told": {},
        "right": {},
        "wrong": {},
        "other": {},
        "person": person | {"top": [("person", 0.93)]},
        "unknown": nothing | {"observation_type": "unknown"},
        "failed": failed,
        "taken back": {"phase": "retract"},
        "a test": {"test": True},
    }
    stored = {}
    for seq, (name, changes) in enumerate(kinds.items(), 1):
        detection = visit(seq, AT + timedelta(hours=seq), **changes)
        desk.commit(detection, picture_of(detection, seq))
        stored[name] = detection
    place(desk)
    say(desk, stored["right"], "right")
    say(desk, stored["wrong"], "wrong", note="a branch, in the wind")
    say(desk, stored["other"], "other", "hyena")
    return stored
