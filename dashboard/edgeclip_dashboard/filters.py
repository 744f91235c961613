"""Which detections are asked for: one filter for the pages, the API and everything handed on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Select, or_
from sqlalchemy.orm import InstrumentedAttribute

from edgeclip.contract.detection import Identifier, Name
from edgeclip_dashboard.models import DetectionRow

Reviewed = Literal["any", "yes", "no", "right", "wrong", "other"]
Light = Literal["any", "day", "night"]
_NIGHT = ("ir",)
_MOST_VALUES = 100


class DetectionFilter(BaseModel):
    """What a person asks for; what is empty or None leaves everything in.

    A species matches what counts: the person's word where there is one, else the device's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_names: Annotated[tuple[Name, ...], Field(max_length=_MOST_VALUES)] = ()
    deployment_ids: Annotated[tuple[Identifier, ...], Field(max_length=_MOST_VALUES)] = ()
    device_ids: Annotated[tuple[Identifier, ...], Field(max_length=_MOST_VALUES)] = ()
    severity: Literal["any", "alert", "routine"] = "any"
    since: AwareDatetime | None = None
    until: AwareDatetime | None = Field(None, description="Excluded.")
    min_probability: float | None = Field(None, ge=0, le=1)
    max_probability: float | None = Field(None, ge=0, le=1)
    light: Light = "any"
    reviewed: Reviewed = "any"
    with_tests: bool = False
    with_failures: bool = True

    def apply(self, query: Select[tuple[DetectionRow]]) -> Select[tuple[DetectionRow]]:
        """Return a query of detections with this filter's conditions."""
        return query.where(*self.conditions())

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what a row must meet, all of it."""
        row = DetectionRow
        found = [
            *self._species(),
            *_among(row.deployment_id, self.deployment_ids),
            *_among(row.device_id, self.device_ids),
            *_between(row.occurred_at, self.since, self.until),
            *self._light(),
            *self._reviewed(),
        ]
        if self.severity != "any":
            found.append(row.severity == self.severity)
        if self.min_probability is not None:
            found.append(row.probability >= self.min_probability)
        if self.max_probability is not None:
            found.append(row.probability <= self.max_probability)
        if not self.with_tests:
            found.append(row.is_test.is_(False))
        if not self.with_failures:
            found.append(row.failure.is_(None))
        return found

    def _species(self) -> list[ColumnElement[bool]]:
        row = DetectionRow
        if not self.class_names:
            return []
        said = row.verdict_class.in_(self.class_names)
        unsaid = row.verdict.is_(None) | ((row.verdict == "right") & row.verdict_class.is_(None))
        return [or_(said, row.class_name.in_(self.class_names) & unsaid)]

    def _light(self) -> list[ColumnElement[bool]]:
        if self.light == "any":
            return []
        is_night = DetectionRow.light.in_(_NIGHT)
        return [is_night if self.light == "night" else DetectionRow.light.not_in(_NIGHT)]

    def _reviewed(self) -> list[ColumnElement[bool]]:
        verdict = DetectionRow.verdict
        if self.reviewed == "any":
            return []
        if self.reviewed == "no":
            return [verdict.is_(None)]
        return [verdict.is_not(None) if self.reviewed == "yes" else verdict == self.reviewed]


def _among(
    column: InstrumentedAttribute[str], values: tuple[str, ...]
) -> list[ColumnElement[bool]]:
    return [column.in_(values)] if values else []


def _between(
    column: InstrumentedAttribute[datetime], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    after = [] if since is None else [column >= since]
    return after if until is None else [*after, column < until]
