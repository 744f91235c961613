"""Who sees people: the same address, another picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from dashboard.conftest import NOW
from edgeclip_dashboard.exports.judging import Classes
from edgeclip_dashboard.exports.visits import visits_of
from edgeclip_dashboard.identity import ROLES, Identity, Role, put_identity
from edgeclip_dashboard.media_route import add_media_route
from edgeclip_dashboard.messages import MediaMessage
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.people_in_media import blurred_jpeg, shows_people
from edgeclip_dashboard.verdicts import Said, class_from, give_verdict
from support.dashboards import jpeg, media_ref, sample

if TYPE_CHECKING:
    from dashboard.conftest import Desk

TALL = (640, 400)


def _stored(desk: Desk, **changes: Any) -> str:
    """Store a detection with a snapshot, and return the snapshot's hash."""
    data = jpeg(1, TALL)
    detection = sample(seq=1, media=[media_ref(data)], **changes)
    desk.commit(detection, MediaMessage("jetson-1", detection.detection_id, 0, data))
    return media_ref(data).sha256


def _say(desk: Desk, verdict: str, class_name: str | None) -> None:
    with Session(desk.engine) as session, session.begin():
        row = session.scalars(select(DetectionRow)).one()
        row.verdict, row.verdict_class = verdict, class_name


def _shows_people(desk: Desk, sha256: str) -> bool:
    with Session(desk.engine) as session:
        return shows_people(session, sha256)


def _ask(desk: Desk, role: Role) -> TestClient:
    """Return a client for the route alone, as somebody of a role."""
    app = FastAPI()
    add_media_route(app, desk.engine, desk.files)

    class As:
        def __init__(self, inner: FastAPI) -> None:
            self._inner = inner

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            put_identity(scope, Identity("jane", role))
            await self._inner(scope, receive, send)

    return TestClient(As(app))


def test_a_device_a_verdict_or_a_class_of_people_says_that_it_is_one(desk: Desk) -> None:
    sha256 = _stored(desk, class_name="leopard")
    assert not _shows_people(desk, sha256)
    for said in ("Human", "person", "homo sapiens"):
        _say(desk, "other", said)
        assert _shows_people(desk, sha256)
    _say(desk, "other", "ranger")
    assert not _shows_people(desk, sha256)
    desk.commit(sample(seq=2, class_name="ranger", observation_type="human"))
    assert _shows_people(desk, sha256)


@pytest.mark.parametrize("typed", ["Homo sapiens", "Poacher", "woman", "Persons"])
def test_what_a_reviewer_types_for_a_person_hides_the_picture(desk: Desk, typed: str) -> None:
    sha256 = _stored(desk, class_name="leopard")
    [view] = desk.picture().detections
    with Session(desk.engine) as session, session.begin():
        said = Said("other", class_from(typed))
        give_verdict(session, Identity("anna", "reviewer"), view.detection_id, said, NOW)
    assert _shows_people(desk, sha256)


def test_whom_a_device_took_for_a_person_at_first_is_not_shown_by_a_later_revision(
    desk: Desk,
) -> None:
    data = jpeg(1, TALL)
    first = sample(seq=1, media=[media_ref(data)], class_name="human", observation_type="human")
    desk.commit(first, MediaMessage("jetson-1", first.detection_id, 0, data))
    desk.commit(
        first.model_copy(
            update={"rev": 1, "seq": 2, "class_name": "baboon", "observation_type": "animal"}
        )
    )
    assert desk.only().class_name == "baboon"
    assert _shows_people(desk, media_ref(data).sha256)
    with Session(desk.engine) as session:
        rows = session.scalars(select(DetectionRow)).all()
        [visit] = visits_of(session, rows, Classes({}))
    assert visit.shows_people


def test_a_verdict_does_not_show_whom_a_device_took_for_a_person(desk: Desk) -> None:
    sha256 = _stored(desk, class_name="human", observation_type="human")
    _say(desk, "other", "baboon")
    assert _shows_people(desk, sha256)


def test_viewers_get_cells_and_reviewers_the_snapshot_at_the_same_address(desk: Desk) -> None:
    sha256 = _stored(desk, class_name="human", observation_type="human")
    path = f"/media/{sha256}.jpg"
    seen, blurred = _ask(desk, "reviewer").get(path), _ask(desk, "viewer").get(path)
    assert seen.content == jpeg(1, TALL)
    assert blurred.status_code == 200
    with Image.open(BytesIO(blurred.content)) as picture:
        assert picture.size == (480, 300)
        small = picture.resize((24, 15), Image.Resampling.BOX)
        again = small.resize(picture.size, Image.Resampling.NEAREST)
        worst = max(abs(a - b) for a, b in zip(picture.tobytes(), again.tobytes(), strict=True))
    assert worst <= 40  # nothing is in the picture that 24 x 15 colours do not say
    assert _ask(desk, "admin").get(path).content == seen.content


def test_animals_are_shown_to_everybody(desk: Desk) -> None:
    sha256 = _stored(desk, class_name="leopard")
    answer = _ask(desk, "viewer").get(f"/media/{sha256}.jpg")
    assert answer.content == jpeg(1, TALL)


def test_a_browser_asks_anew_and_what_one_role_got_is_not_shown_to_another(desk: Desk) -> None:
    sha256 = _stored(desk, class_name="human", observation_type="human")
    path = f"/media/{sha256}.jpg"
    tags = {role: _ask(desk, role).get(path).headers["etag"] for role in ROLES[:2]}
    assert tags["viewer"] != tags["reviewer"]
    for role, status in zip(ROLES, (304, 200), strict=False):
        answer = _ask(desk, role).get(path, headers={"If-None-Match": tags["viewer"]})
        assert answer.status_code == status
        assert answer.headers["cache-control"] == "private, no-cache"
        assert "Cookie" in answer.headers["vary"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xd8\xff\xd9", id="nothing in it"),
        pytest.param(jpeg(1)[:600] + b"\xff\xd9", id="cut"),
        pytest.param(b"GIF89a", id="no JPEG"),
    ],
)
def test_a_person_in_a_damaged_picture_is_not_seen_either(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "damaged.jpg"
    file.write_bytes(data)
    with Image.open(BytesIO(blurred_jpeg(file))) as picture:
        assert picture.width == 480


def test_a_picture_that_claims_to_be_enormous_is_grey(tmp_path: Path) -> None:
    file = tmp_path / "bomb.jpg"
    data = bytearray(jpeg(1))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = (65_000).to_bytes(2, "big") * 2
    file.write_bytes(data)
    with Image.open(BytesIO(blurred_jpeg(file))) as picture:
        assert picture.size == (480, 360)
        assert picture.convert("L").getextrema() == (96, 96)
