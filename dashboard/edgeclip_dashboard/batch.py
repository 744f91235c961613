"""One transaction over many messages: each row is looked up once, all together at the start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.ledger import Outbox
from edgeclip_dashboard.messages import DetectionMessage, Incoming
from edgeclip_dashboard.models import Base, DetectionRow, Device, Media, OutboxRow, Revision
from edgeclip_dashboard.models_field import Deployment

RowT = TypeVar("RowT", bound=Base)
ReadT = TypeVar("ReadT")
Key = tuple[str | int, ...]


class ConflictError(Exception):
    """A valid message that contradicts what is stored."""


class Batch:
    """The rows that a batch of messages touches, inside the caller's transaction.

    What is added is written at the next flush, in one statement a table.

    Args:
        session: An open transaction, without autoflush.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._known: dict[tuple[type[Base], Key], Base | None] = {}
        self._later: dict[type[Base], list[dict[str, Any]]] = defaultdict(list)
        self._read: dict[str, Any] = {}

    def find(self, model: type[RowT], *key: str | int) -> RowT | None:
        """Return the row of a primary key, also one that was added just now, or None."""
        at = (model, key)
        if at not in self._known:
            self._known[at] = self.session.get(model, key)
        row = self._known[at]
        return row if isinstance(row, model) else None

    def add(self, row: Base, *key: str | int) -> None:
        """Add a new row under its primary key."""
        self._known[type(row), key] = row
        self.session.add(row)

    def once(self, name: str, read: Callable[[Batch], ReadT]) -> ReadT:
        """Return what `read` gave at the first call with this name; read once a batch."""
        if name not in self._read:
            self._read[name] = read(self)
        found: ReadT = self._read[name]
        return found

    def insert_once(self, model: type[Base], *values: dict[str, Any]) -> None:
        """Insert rows, but none whose unique keys are there already, also by another process."""
        is_sqlite = self.session.get_bind().dialect.name == "sqlite"
        insert = sqlite.insert if is_sqlite else postgresql.insert
        self.session.execute(insert(model).on_conflict_do_nothing(), list(values))

    def insert_later(self, model: type[Base], values: dict[str, Any]) -> None:
        """Have a row inserted once by `write_later`: from the first change on, others wait."""
        self._later[model].append(values)

    def write_later(self) -> None:
        """Insert what was to be inserted later."""
        later, self._later = self._later, defaultdict(list)
        for model, rows in later.items():
            self.insert_once(model, *rows)

    def look_up(self, messages: Sequence[Incoming]) -> None:
        """Load what the detections among the messages will ask for, a statement a table."""
        detections = [m.detection for m in messages if isinstance(m, DetectionMessage)]
        if not detections:
            return
        ids = {detection.detection_id for detection in detections}
        hashes = {ref.sha256 for detection in detections for ref in detection.media}
        revisions = {(detection.detection_id, detection.rev) for detection in detections}
        rows = {(d.device_id, d.epoch, d.seq) for d in detections}
        self._load(
            DetectionRow, DetectionRow.detection_id.in_(ids), {(key,) for key in ids}, lock=True
        )
        self._load(Revision, Revision.detection_id.in_(ids), revisions)
        if hashes:
            self._load(Media, Media.sha256.in_(hashes), {(key,) for key in hashes})
        self._load(OutboxRow, _any_row(detections), rows)
        devices = {detection.device_id for detection in detections}
        self._load(Device, Device.device_id.in_(devices), {(key,) for key in devices})
        places = {detection.deployment_id for detection in detections}
        self._load(Deployment, Deployment.deployment_id.in_(places), {(key,) for key in places})

    def _load(
        self,
        model: type[Base],
        condition: ColumnElement[bool],
        keys: Iterable[Key],
        *,
        lock: bool = False,
    ) -> None:
        self._known.update({(model, key): None for key in keys})
        columns = [column.key for column in model.__table__.primary_key]
        query = select(model).where(condition)
        if lock:  # in one order, against another instance; SQLite has no other
            query = query.order_by(*model.__table__.primary_key).with_for_update()
        for row in self.session.scalars(query):
            self._known[model, tuple(getattr(row, name) for name in columns)] = row


def _any_row(detections: Sequence[Detection]) -> ColumnElement[bool]:
    """Return the condition for the outbox rows of all detections."""
    seqs: dict[Outbox, list[int]] = defaultdict(list)
    for detection in detections:
        seqs[detection.device_id, detection.epoch].append(detection.seq)
    return or_(
        *(
            and_(
                OutboxRow.device_id == device_id,
                OutboxRow.epoch == epoch,
                OutboxRow.seq.in_(numbers),
            )
            for (device_id, epoch), numbers in seqs.items()
        )
    )
