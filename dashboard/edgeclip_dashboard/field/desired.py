"""What each device shall have beside what it says to have: who differs, why, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.field.asked import AskedView
from edgeclip_dashboard.field.reports import AlarmView, DeviceReport
from edgeclip_dashboard.field.wishes import PackWish, names_in, newest_asked, read_wishes, tells_of
from edgeclip_dashboard.models_field import CommandRow, DeviceAlarm

Standing = Literal["differs", "on its way", "as desired", "not set from here"]
STANDINGS: Final[tuple[Standing, ...]] = (
    "differs",
    "on its way",
    "as desired",
    "not set from here",
)
"""In the order in which a person looks at them."""

_OF_PACKS: Final = ("pack_rejected", "rolled_back", "engine_failed")
_SHORT: Final = 12  # digits of a hash that are told

NamesOf = Callable[[str], tuple[str, ...]]
"""Names the packs of a delivery by its SHA-256; none where it does not lie here any more."""


@dataclass(frozen=True)
class Matter:
    """One thing that a device shall have; times are aware UTC.

    Attributes:
        wanted: What was asked for; empty for nothing from here.
        reported: What the device says to run with; empty for nothing yet.
        standing: How the two compare.
        since: When that began; None where it is not known.
        why: What is waited for, or what is wrong; empty where both are the same.
        by: Who asked, and empty for nobody.
    """

    wanted: str
    reported: str
    standing: Standing
    since: datetime | None
    why: str
    by: str


@dataclass(frozen=True)
class Failure:
    """The newest thing that went wrong with packs or settings of a device.

    Attributes:
        text: What.
        at: When it was told, aware UTC.
        is_over: Whether it is an alarm that does not stand any more.
    """

    text: str
    at: datetime
    is_over: bool


@dataclass(frozen=True)
class DesiredView:
    """A device with its pack and its settings."""

    report: DeviceReport
    pack: Matter
    settings: Matter
    last_failure: Failure | None

    @property
    def standing(self) -> Standing:
        """The one of both that most needs a look."""
        return min((self.pack.standing, self.settings.standing), key=STANDINGS.index)


def read_desired(
    session: Session, reports: tuple[DeviceReport, ...], names_of: NamesOf, now: datetime
) -> tuple[DesiredView, ...]:
    """Return all devices, those that differ first, then by name.

    Args:
        session: Of the store.
        reports: Of `read_reports`.
        names_of: Names the packs of a delivery.
        now: Aware UTC.
    """
    wishes, alarms = read_wishes(session), _newest_alarms(session)
    asked = newest_asked(session, CommandRow.name == "thresholds")
    views = [
        DesiredView(
            report,
            pack_matter(report, wishes.get(report.device_id), names_of, now),
            settings_matter(report, asked.get(report.device_id), now),
            _last_failure(
                wishes.get(report.device_id),
                asked.get(report.device_id),
                alarms.get(report.device_id),
            ),
        )
        for report in reports
    ]
    return tuple(sorted(views, key=lambda one: (STANDINGS.index(one.standing), _name(one))))


def pack_matter(
    report: DeviceReport, wish: PackWish | None, names_of: NamesOf, now: datetime
) -> Matter:
    """Compare the pack that was sent to a device with the one that it says to run."""
    told = (report.info.pack if report.info else None) or ""
    began = report.info.started_at if report.info else None
    if wish is None:
        return Matter("", told, "not set from here", began, "", "")
    if wish.taken_back is not None:
        back = wish.taken_back
        why = f"taken back by {back.account_name}"
        return Matter("", told, "not set from here", back.issued_at, why, "")
    sent = wish.sent
    names = _wanted(names_of(wish.sha256), sent.packs)
    wanted = ", ".join(names) or f"a pack, {wish.sha256[:_SHORT]}"
    if names and all(tells_of(told, name) for name in names) and not wish.is_open(now):
        return Matter(wanted, told, "as desired", began or sent.replied_at, "", sent.account_name)
    standing: Standing = "on its way" if wish.is_open(now) else "differs"
    why = _why_no_pack(report, wish, now)
    return Matter(wanted, told, standing, sent.issued_at, why, sent.account_name)


def settings_matter(report: DeviceReport, asked: AskedView | None, now: datetime) -> Matter:
    """Compare the thresholds that were set from here with the state that a device runs with."""
    sha256 = (report.info.desired_sha256 if report.info else None) or ""
    told = sha256[:_SHORT]
    if asked is None:
        return Matter("", told, "not set from here", None, "", "")
    wanted, by = f"thresholds {asked.arguments()}", asked.account_name
    if not asked.is_final and now <= asked.not_after:
        why = _waiting(report, asked, now)
        return Matter(wanted, told, "on its way", asked.issued_at, why, by)
    if asked.state != "done":
        why = f"{asked.said(now)}: {asked.reason}" if asked.reason else asked.said(now)
        return Matter(wanted, told, "differs", asked.issued_at, why, by)
    if asked.sha256_told == sha256:
        return Matter(wanted, told, "as desired", asked.replied_at, "", by)
    why = (
        f"it runs with another state, set since by others or by its own commands: {told}"
        if told
        else "it runs with the settings of its device.toml alone"
    )
    return Matter(wanted, told, "differs", asked.replied_at, why, by)


def _wanted(carried: tuple[str, ...], said: str) -> tuple[str, ...]:
    """Return which packs a device shall run with a delivery, as task@version.

    Args:
        carried: Of the delivery; none where it does not lie here any more.
        said: What the device answered to run with it: one without a router runs one of several.
    """
    return tuple(name for name in carried if tells_of(said, name)) or names_in(said) or carried


def _why_no_pack(report: DeviceReport, wish: PackWish, now: datetime) -> str:
    sent, promoted = wish.sent, wish.promoted
    if not sent.is_final and now <= sent.not_after:
        return _waiting(report, sent, now)
    if sent.state == "done":
        standing = [one for one in report.alarms if one.code in _OF_PACKS]
        if standing:
            return f"{wording.spaced(standing[0].code)}: {standing[0].detail}"
        if promoted is not None:
            return f"promoted by {promoted.account_name}, yet it reports another pack since"
        return "taken, and runs beside the pack that decides until both agree, or it is promoted"
    return f"{sent.said(now)}: {sent.reason}" if sent.reason else sent.said(now)


def _waiting(report: DeviceReport, asked: AskedView, now: datetime) -> str:
    """Say how far a device is, and whether it can hear at all."""
    is_there = report.state in ("online", "updating")
    away = "" if is_there else f"; the device is {report.state or 'not heard of'}"
    return asked.said(now) + away


def _last_failure(
    wish: PackWish | None, asked: AskedView | None, alarm: AlarmView | None
) -> Failure | None:
    found = []
    for view in (wish.sent if wish else None, asked):
        if view is not None and view.state in ("failed", "refused"):
            at = view.replied_at or view.issued_at
            found.append(
                Failure(
                    f"{wording.spaced(view.name)} {view.state}: {view.reason}", at, is_over=False
                )
            )
    if alarm is not None:
        text = f"{wording.spaced(alarm.code)}: {alarm.detail}"
        found.append(Failure(text, alarm.received_at, is_over=alarm.over_at is not None))
    return max(found, key=lambda one: one.at, default=None)


def _newest_alarms(session: Session) -> Mapping[str, AlarmView]:
    """Return of each device the newest alarm of a pack, also one that is over."""
    row = DeviceAlarm
    newest = select(func.max(row.id)).where(row.code.in_(_OF_PACKS)).group_by(row.device_id)
    return {
        found.device_id: AlarmView(
            found.code, found.since, found.detail, found.received_at, found.over_at
        )
        for found in session.scalars(select(row).where(row.id.in_(newest)))
    }


def _name(view: DesiredView) -> str:
    return view.report.device_id
