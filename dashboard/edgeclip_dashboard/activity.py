"""When and where animals were seen: counts by day, hour of day, species and place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Final, Literal

from sqlalchemy import DateTime, Engine, func, select, type_coerce
from sqlalchemy.orm import Session

from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.zones import noted_zone

Grouping = Literal["species", "place"]
REST: Final = "others"
_MOST_GROUPS = 8  # more colours than that nobody tells apart
_MOST_DAYS = 120  # above that, weeks
_AT_ONCE = 5000


@dataclass(frozen=True)
class Sighting:
    """One detection that counts: what is there, where, and when by the clock of that place."""

    species: str
    place: str
    at: datetime


@dataclass(frozen=True)
class Series:
    """The counts of one species or place.

    Attributes:
        name: Whose.
        by_day: One count a bin of `Activity.days`.
        by_hour: One count an hour of the day, 24 of them.
    """

    name: str
    by_day: tuple[int, ...]
    by_hour: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.by_hour)


@dataclass(frozen=True)
class Activity:
    """What was counted.

    Attributes:
        days: The first day of each bin, without a gap from the first sighting to the last.
        step_days: How long a bin is: 1, or 7 where there are many days.
        series: The most frequent first; what goes beyond eight is one series, `others`, at the end.
        in_utc: Places whose time zone nobody has noted; their hours are UTC.
    """

    days: tuple[date, ...]
    step_days: int
    series: tuple[Series, ...]
    in_utc: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many detections there are in all."""
        return sum(series.total for series in self.series)


def read_activity(engine: Engine, shown: DetectionFilter, grouping: Grouping) -> Activity:
    """Count what a filter lets through.

    A person's word goes over the device's: what was judged wrong is not counted, and another
    species counts as that. Failures and what was taken back do not count either.

    Raises:
        SQLAlchemyError: The database cannot be read.
    """
    with Session(engine) as session:
        places = session.execute(select(Deployment.deployment_id, Deployment.time_zone)).all()
        zones = {row.deployment_id: noted_zone(row.time_zone) for row in places}
        return count(_sightings(session, shown, zones), zones, grouping)


def count(
    sightings: Iterable[Sighting], zones: Mapping[str, tzinfo | None], grouping: Grouping
) -> Activity:
    """Return the counts of sightings.

    Args:
        sightings: In any order.
        zones: Of the places; None where it is not known.
        grouping: What makes a series.
    """
    by_day: dict[str, Counter[date]] = defaultdict(Counter)
    by_hour: dict[str, Counter[int]] = defaultdict(Counter)
    seen = set()
    for sighting in sightings:
        name = sighting.species if grouping == "species" else sighting.place
        by_day[name][sighting.at.date()] += 1
        by_hour[name][sighting.at.hour] += 1
        seen.add(sighting.place)
    totals = Counter({name: hours.total() for name, hours in by_hour.items()})
    groups = _groups([name for name, _ in totals.most_common()])
    days, step = _bins({day for counts in by_day.values() for day in counts})
    return Activity(
        days=days,
        step_days=step,
        series=tuple(
            Series(
                name,
                _binned(sum((by_day[member] for member in members), Counter()), days, step),
                tuple(sum(by_hour[member][hour] for member in members) for hour in range(24)),
            )
            for name, members in groups
        ),
        in_utc=tuple(sorted(place for place in seen if zones.get(place) is None)),
    )


def _sightings(
    session: Session, shown: DetectionFilter, zones: Mapping[str, tzinfo | None]
) -> Iterator[Sighting]:
    row = DetectionRow
    species = func.coalesce(row.verdict_class, row.class_name)
    # bare: the aware type's own conversion takes longer than all the rest
    at_utc = type_coerce(row.occurred_at, DateTime)
    query = select(species, row.deployment_id, at_utc).where(
        *shown.conditions(),
        row.failure.is_(None),
        row.phase != "retract",
        species.is_not(None),
        row.verdict.is_distinct_from("wrong"),
    )
    for name, place, at in session.execute(query.execution_options(yield_per=_AT_ONCE)):
        there = zones.get(place) or timezone.utc
        yield Sighting(name, place, at.replace(tzinfo=timezone.utc).astimezone(there))


def _groups(names: list[str]) -> list[tuple[str, list[str]]]:
    """Return each series' name with the names that it counts."""
    if len(names) <= _MOST_GROUPS:
        return [(name, [name]) for name in names]
    own, rest = names[: _MOST_GROUPS - 1], names[_MOST_GROUPS - 1 :]
    return [*((name, [name]) for name in own), (REST, rest)]


def _bins(days: set[date]) -> tuple[tuple[date, ...], int]:
    """Return the first day of each bin, and how many days a bin has."""
    if not days:
        return (), 1
    first, last = min(days), max(days)
    step = 1 if (last - first).days < _MOST_DAYS else 7
    if step == 7:
        first -= timedelta(days=first.weekday())  # weeks begin on Monday
    bins = (last - first).days // step + 1
    return tuple(first + timedelta(days=step * n) for n in range(bins)), step


def _binned(counts: Counter[date], days: tuple[date, ...], step: int) -> tuple[int, ...]:
    binned = [0] * len(days)
    for day, number in counts.items():
        binned[(day - days[0]).days // step] += number
    return tuple(binned)
