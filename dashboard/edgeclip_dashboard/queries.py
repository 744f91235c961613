"""What the page and the API read: one typed, frozen picture of the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from sqlalchemy import Engine, select, tuple_
from sqlalchemy.orm import Session

from edgeclip.contract.attribute_answers import Attributes
from edgeclip_dashboard import told_words
from edgeclip_dashboard.counting import Counter, Counts
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.ledger import Gap, Ledger
from edgeclip_dashboard.models import Announcement, DetectionRow, Device, Media
from edgeclip_dashboard.surroundings import Surroundings, read_surroundings

_KINDS = ("full", "crop", "thumb")  # the card shows the first that is there


@dataclass(frozen=True)
class MediaView:
    """A media file that a detection named and that is stored."""

    n: int
    kind: str
    sha256: str
    width: int
    height: int

    @property
    def url(self) -> str:
        """Its address on this server."""
        return f"/media/{self.sha256}.jpg"


@dataclass(frozen=True)
class DetectionView:
    """A detection as it is shown; all times are aware UTC.

    Attributes:
        occurred_at: By the device's clock: when it was seen best, else when it began.
        clock: trusted, untrusted or put_right: how far those times are to be believed.
        true_at: When it really was, where the device told later how wrong its clock had been.
        threshold: What the probability had to reach.
        light: day, dusk or ir.
        verdict: What a person said last: right, wrong or other; `verdict_class` is that other.
        attributes: What it says in words beside its class.
        media: Best first.
    """

    detection_id: str
    rev: int
    device_id: str
    deployment_id: str
    camera_id: str
    phase: str
    severity: str
    is_test: bool
    is_historical: bool
    class_name: str | None
    scientific_name: str | None
    observation_type: str
    probability: float | None
    failure: str | None
    votes_frames: int | None
    votes_agreeing: int | None
    threshold: float | None
    light: str | None
    latitude: float | None
    longitude: float | None
    verdict: str | None
    verdict_class: str | None
    pack: str
    started_at: datetime | None
    best_at: datetime | None
    ended_at: datetime | None
    clock: str | None
    true_at: datetime | None
    first_received_at: datetime
    received_at: datetime
    attributes: Attributes | None
    media: tuple[MediaView, ...]

    @property
    def occurred_at(self) -> datetime | None:
        """When it really was, else when it was seen best, else when it began."""
        return self.true_at or self.best_at or self.started_at


@dataclass(frozen=True)
class DeviceView:
    """A device as it last described itself, and which of its rows are missing."""

    device_id: str
    state: str | None
    since: datetime | None
    reason: str | None
    deployment_id: str | None
    camera_id: str | None
    edgeclip_version: str | None
    pack: str | None
    backend: str | None
    precision: str | None
    source: str | None
    machine: str | None
    last_detection_at: datetime | None
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class Picture:
    """All that the live page shows of the store."""

    detections: tuple[DetectionView, ...]
    devices: tuple[DeviceView, ...]
    counts: Counts
    surroundings: Surroundings = field(default_factory=Surroundings)


def read_picture(
    engine: Engine,
    ledger: Ledger,
    *,
    newest: int,
    counter: Counter | None = None,
    elsewhere: tzinfo | None = None,
) -> Picture:
    """Return the newest detections, by when they first arrived, all devices and counts.

    Args:
        engine: The store's database.
        ledger: Knows the gaps.
        newest: How many detections, 1 or more.
        counter: Counts less often where that takes long; without one all is counted now.
        elsewhere: The time zone of places without one of their own; None is UTC.

    Raises:
        SQLAlchemyError: The database cannot be read.
    """
    with Session(engine) as session:
        detections = read_detections(session, newest)
        return Picture(
            detections=detections,
            devices=read_devices(session, ledger),
            counts=(counter or Counter()).read(session),
            surroundings=read_surroundings(
                session, (view.device_id for view in detections), elsewhere
            ),
        )


def read_detections(
    session: Session,
    newest: int,
    shown: DetectionFilter | None = None,
    *,
    before: str | None = None,
) -> tuple[DetectionView, ...]:
    """Return the newest detections with their media, by when they first arrived, newest first.

    Args:
        session: Of the store.
        newest: How many at the most.
        shown: Which; all of them where it is None.
        before: Only those that arrived before this detection; one that is not known cuts nothing.
    """
    arrived = (DetectionRow.first_received_at, DetectionRow.detection_id)
    query = select(DetectionRow).order_by(*(column.desc() for column in arrived)).limit(newest)
    if shown is not None:
        query = query.where(*shown.conditions())
    if before is not None and (last := session.get(DetectionRow, before)) is not None:
        query = query.where(tuple_(*arrived) < (last.first_received_at, last.detection_id))
    return detection_views(session, session.scalars(query).all())


def detection_views(session: Session, rows: Sequence[DetectionRow]) -> tuple[DetectionView, ...]:
    """Return rows of the table as they are shown, with their media, in the same order."""
    media = _media(session, [row.detection_id for row in rows])
    return tuple(_detection_view(row, media[row.detection_id]) for row in rows)


def is_shown_media(session: Session, sha256: str) -> bool:
    """Say whether a stored media file belongs to a detection; one that does not is not shown."""
    query = select(Media.sha256).join(Announcement, Announcement.sha256 == Media.sha256)
    return session.scalar(query.where(Media.sha256 == sha256).limit(1)) is not None


def _detection_view(row: DetectionRow, media: list[MediaView]) -> DetectionView:
    made_here = ("media", "true_at", "attributes")
    names = (name for name in DetectionView.__dataclass_fields__ if name not in made_here)
    values = {name: getattr(row, name) for name in names}
    true_at = row.occurred_at if row.clock == "put_right" else None
    said = told_words.read(row.attributes)
    return DetectionView(**values, true_at=true_at, attributes=said, media=tuple(media))


def _media(session: Session, detection_ids: list[str]) -> dict[str, list[MediaView]]:
    """Return the stored media of detections: the newest of a kind is the best of it."""
    query = (
        select(Announcement)
        .join(Media, Media.sha256 == Announcement.sha256)
        .where(Announcement.detection_id.in_(detection_ids))
        .order_by(Announcement.rev)
    )
    newest: dict[str, dict[int, Announcement]] = defaultdict(dict)
    for row in session.scalars(query):
        newest[row.detection_id][row.n] = row
    views: dict[str, list[MediaView]] = defaultdict(list)
    for detection_id, rows in newest.items():
        best_first = sorted(
            rows.values(), key=lambda row: (_KINDS.index(row.kind), -row.rev, -row.n)
        )
        views[detection_id] = [
            MediaView(row.n, row.kind, row.sha256, row.width, row.height) for row in best_first
        ]
    return views


def read_devices(session: Session, ledger: Ledger) -> tuple[DeviceView, ...]:
    """Return all devices, each with its missing rows."""
    gaps: dict[str, list[Gap]] = defaultdict(list)
    for gap in ledger.gaps():
        gaps[gap.device_id].append(gap)
    names = [name for name in DeviceView.__dataclass_fields__ if name != "gaps"]
    columns = [getattr(Device, name) for name in names]  # not the whole row: it has long texts
    return tuple(
        DeviceView(**dict(zip(names, row, strict=True)), gaps=tuple(gaps[row.device_id]))
        for row in session.execute(select(*columns).order_by(Device.device_id))
    )
