"""Who is told of what: a rule as it is written, checked and matched."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from edgeclip.contract.detection import Identifier, Name, Severity
from edgeclip_dashboard.clock_fixes import known_time
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_notices import Rule
from edgeclip_dashboard.notices.channels import channel_problem
from edgeclip_dashboard.notices.hours import is_within

MOST_CHANNELS: Final = 10
_LATE_AFTER: Final = timedelta(hours=6)
_LISTS: Final = ("class_names", "deployment_ids", "severities", "channels", "escalate_channels")

Hour = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
RuleName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Channels = Annotated[tuple[str, ...], Field(max_length=MOST_CHANNELS, repr=False)]


class RuleForm(BaseModel):
    """A rule; what is empty or None matches everything.

    Hours are `HH:MM` in `time_zone`, and a window may go over midnight.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: RuleName
    is_enabled: bool = True
    class_names: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    deployment_ids: Annotated[tuple[Identifier, ...], Field(max_length=100)] = ()
    severities: tuple[Severity, ...] = ()
    min_probability: float | None = Field(None, ge=0, le=1)
    from_hour: Hour | None = None
    to_hour: Hour | None = None
    quiet_from: Hour | None = None
    quiet_to: Hour | None = None
    time_zone: str = "UTC"
    channels: Channels
    escalate_after_s: int | None = Field(None, ge=60, le=604_800)
    escalate_channels: Channels = ()

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("write an IANA time zone such as Africa/Nairobi")
        return value

    @field_validator("channels", "escalate_channels")
    @classmethod
    def _are_channels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for number, url in enumerate(value, start=1):
            if problem := channel_problem(url):
                raise ValueError(f"channel {number}: {problem}")
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _fits_together(self) -> RuleForm:
        if not self.channels:
            raise ValueError("a rule needs a channel: whom does it tell?")
        for what, first, last in (
            ("hours", self.from_hour, self.to_hour),
            ("quiet hours", self.quiet_from, self.quiet_to),
        ):
            if (first is None) != (last is None) or (first is not None and first == last):
                raise ValueError(f"{what} need a beginning and another end")
        if (self.escalate_after_s is None) != (not self.escalate_channels):
            raise ValueError("escalation needs both: after how long, and whom it tells")
        return self

    def matches(self, row: DetectionRow) -> bool:
        """Say whether a detection, as its newest revision describes it, is to be told.

        Blanks never are; a failure is where no species is asked for.
        """
        if row.observation_type == "blank" or row.phase == "retract":
            return False
        return (
            self._has_species(row)
            and (not self.deployment_ids or row.deployment_id in self.deployment_ids)
            and (not self.severities or row.severity in self.severities)
            and (self.min_probability is None or (row.probability or 0.0) >= self.min_probability)
            and self._has_hour(known_time(row))
        )

    def _has_species(self, row: DetectionRow) -> bool:
        wanted = {name.casefold() for name in self.class_names}
        names = {name.casefold() for name in (row.class_name, row.scientific_name) if name}
        return not wanted or not wanted.isdisjoint(names)

    def _has_hour(self, at: datetime) -> bool:
        if self.from_hour is None or self.to_hour is None:
            return True
        return is_within(at, self.from_hour, self.to_hour, self.time_zone)

    def is_quiet(self, now: datetime) -> bool:
        """Say whether routine notices are held back now."""
        if self.quiet_from is None or self.quiet_to is None:
            return False
        return is_within(now, self.quiet_from, self.quiet_to, self.time_zone)

    def to_columns(self) -> dict[str, Any]:
        """Return the values of a row of rules."""
        values = self.model_dump()
        return values | {key: json.dumps(values[key]) for key in _LISTS}


def rule_from_row(row: Rule) -> RuleForm:
    """Return the rule that a row holds; it was checked when it was written."""
    values = {name: getattr(row, name) for name in RuleForm.model_fields}
    for key in _LISTS:
        values[key] = tuple(json.loads(values[key]))
    return RuleForm.model_construct(**values)


def is_urgent(row: DetectionRow, now: datetime) -> bool:
    """Say whether a detection is an alert of now, not a test and not late by hours."""
    is_late = row.is_historical or now - known_time(row) > _LATE_AFTER
    return row.severity == "alert" and not row.is_test and not is_late
