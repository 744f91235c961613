"""When and where animals were seen: counts by day, hour of day, species and place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Final, Literal

from sqlalchemy import ColumnElement, Engine, String, func, select, type_coerce
from sqlalchemy.orm import Session

from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import DetectionRow, UtcDateTime
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.zones import noted_zone

Grouping = Literal["species", "place"]
REST: Final = "others"
_MOST_GROUPS = 8  # more colours than that nobody tells apart
_MOST_DAYS = 120  # above that, weeks
_MOST_BINS = 600  # a wrong clock may show a day of 1970, or of the year 9999
_SPECIES: Final = func.coalesce(DetectionRow.verdict_class, DetectionRow.class_name)


@dataclass(frozen=True)
class Sighting:
    """Detections that count alike.

    Attributes:
        name: Of the species, or of the place.
        at: When, by the clock of the place; of the hour or minute its beginning.
        number: How many.
    """

    name: str
    at: datetime
    number: int = 1


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
        step_days: How long a bin is: 1, or 7 or a multiple of it where there are many days.
        series: The most frequent first; what goes beyond eight is one series, `others`, at the end.
        in_utc: Places whose time zone nobody has noted; their hours are UTC. Empty where the
            project has one.
    """

    days: tuple[date, ...]
    step_days: int
    series: tuple[Series, ...]
    in_utc: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many detections there are in all."""
        return sum(series.total for series in self.series)


def read_activity(
    engine: Engine, shown: DetectionFilter, grouping: Grouping, elsewhere: tzinfo | None = None
) -> Activity:
    """Count what a filter lets through.

    A person's word goes over the device's: what was judged wrong is not counted, and another
    species counts as that. Failures and what was taken back do not count either. The database
    counts by the hour, so that a season's rows stay there. Days and hours are by
    the clock of each place, by that of `elsewhere` where it has none, else UTC.

    Raises:
        SQLAlchemyError: The database cannot be read.
    """
    with Session(engine) as session:
        places = session.execute(select(Deployment.deployment_id, Deployment.time_zone)).all()
        zones = {row.deployment_id: noted_zone(row.time_zone, elsewhere) for row in places}
        counted = _counted(shown)
        sightings = _sightings(session, counted, zones, grouping)
        return count(sightings, _in_utc(session, counted, zones))


def count(sightings: Iterable[Sighting], in_utc: Iterable[str] = ()) -> Activity:
    """Return the counts of sightings.

    Args:
        sightings: In any order.
        in_utc: The places whose hours are UTC for want of their time zone.
    """
    by_day: dict[str, Counter[date]] = defaultdict(Counter)
    by_hour: dict[str, Counter[int]] = defaultdict(Counter)
    for sighting in sightings:
        by_day[sighting.name][sighting.at.date()] += sighting.number
        by_hour[sighting.name][sighting.at.hour] += sighting.number
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
        in_utc=tuple(sorted(in_utc)),
    )


def _counted(shown: DetectionFilter) -> list[ColumnElement[bool]]:
    row = DetectionRow
    return [
        *shown.conditions(),
        row.failure.is_(None),
        row.phase != "retract",
        _SPECIES.is_not(None),
        row.verdict.is_distinct_from("wrong"),
    ]


def _sightings(
    session: Session,
    counted: list[ColumnElement[bool]],
    zones: Mapping[str, tzinfo | None],
    grouping: Grouping,
) -> Iterator[Sighting]:
    """Yield what was seen, all of one name and hour together."""
    row = DetectionRow
    name = _SPECIES if grouping == "species" else row.deployment_id
    years = _years(session)
    for zone, is_there in _by_zone(zones):
        there = zone or timezone.utc
        at_utc = _bucket(session, by_hour=_has_whole_hours(there, years)).label("bucket")
        query = select(name.label("counted"), at_utc, func.count().label("number"))
        grouped = query.where(*counted, *is_there).group_by("counted", "bucket")
        for what, at, number in session.execute(grouped):
            yield Sighting(what, _local(at, there), number)


def _by_zone(
    zones: Mapping[str, tzinfo | None],
) -> Iterator[tuple[tzinfo | None, list[ColumnElement[bool]]]]:
    """Yield each time zone with the condition for being there; most projects have but one."""
    places: dict[tzinfo | None, list[str]] = defaultdict(list)
    for place, zone in zones.items():
        places[zone].append(place)
    if len(places) == 1:
        yield next(iter(places)), []
        return
    for zone, here in places.items():
        yield zone, [DetectionRow.deployment_id.in_(here)]


def _in_utc(
    session: Session, counted: list[ColumnElement[bool]], zones: Mapping[str, tzinfo | None]
) -> Sequence[str]:
    """Return the places without a time zone of which something is counted."""
    unknown = [place for place, zone in zones.items() if zone is None]
    if not unknown:
        return ()
    place = DetectionRow.deployment_id
    return session.scalars(select(place).where(*counted, place.in_(unknown)).distinct()).all()


def _bucket(session: Session, *, by_hour: bool) -> ColumnElement[str]:
    """Return the hour in UTC, or the minute, as text: `2026-05-01 02`, `2026-05-01 02:30`."""
    column = DetectionRow.occurred_at
    if session.get_bind().dialect.name == "sqlite":  # which keeps times as such texts
        text: ColumnElement[str] = type_coerce(column, String)
        return func.substr(text, 1, 13 if by_hour else 16)
    return func.to_char(column, "YYYY-MM-DD HH24" if by_hour else "YYYY-MM-DD HH24:MI")


def _years(session: Session) -> range:
    """Return the years from the first detection to the last."""
    ends = [
        session.scalar(select(end(DetectionRow.occurred_at, type_=UtcDateTime)))
        for end in (func.min, func.max)
    ]
    first, last = (end.year if end else 1970 for end in ends)
    return range(first, last + 1)


def _has_whole_hours(zone: tzinfo, years: range) -> bool:
    """Say whether an hour in UTC is an hour there, too; it is not in India, for one."""
    moments = (datetime(year, month, 1, tzinfo=zone) for year in years for month in (1, 4, 7, 10))
    return all(
        (at.utcoffset() or timedelta()) % timedelta(hours=1) == timedelta() for at in moments
    )


def _local(text: str, there: tzinfo) -> datetime:
    at = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    try:
        return at.astimezone(there)
    except OverflowError:  # a clock that shows the first or the last day of all calendars
        return at


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
        first -= timedelta(days=min(first.weekday(), first.toordinal() - 1))  # to Monday
        step *= 1 + (last - first).days // (7 * _MOST_BINS)
    bins = (last - first).days // step + 1
    return tuple(first + timedelta(days=step * n) for n in range(bins)), step


def _binned(counts: Counter[date], days: tuple[date, ...], step: int) -> tuple[int, ...]:
    binned = [0] * len(days)
    for day, number in counts.items():
        binned[(day - days[0]).days // step] += number
    return tuple(binned)
