"""`/desired`: what each device shall have, what it says to have, who differs and for how long."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

from fastapi import Request
from nicegui import ui
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.field import words
from edgeclip_dashboard.field.desired import DesiredView, Matter, Standing, read_desired
from edgeclip_dashboard.field.reports import read_reports
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.device_cards import DeviceCards
from edgeclip_dashboard.pages.device_list import FIELD_CSS, FLEET_EVERY_S
from edgeclip_dashboard.pages.following import Following
from edgeclip_dashboard.pages.frame import page_frame, require

Views = tuple[DesiredView, ...]
_KINDS: Final[dict[Standing, str]] = {
    "differs": "bad",
    "on its way": "wait",
    "as desired": "good",
    "not set from here": "quiet",
}
_ABOUT: Final = (
    "The pack that was sent from here last, and thresholds that were set from here. What other"
    " workstations leave with edgeclip-device desired is told by its hash, as the device runs it."
)


def add_desired_page(context: PageContext) -> None:
    """Register the page; it is for reviewers, as commands are."""

    def read() -> Views:
        with Session(context.engine) as session:
            reports = read_reports(session, context.ledger)
            names_of = context.sending.shelf.packs_of
            return read_desired(session, reports, names_of, datetime.now(timezone.utc))

    @ui.page("/desired")
    async def desired(request: Request) -> None:
        identity = identity_of(request.scope)
        require(identity, "reviewer")
        with page_frame(context, identity, "Desired state", css=FIELD_CSS):
            await Following(context, read, DesiredList().show, FLEET_EVERY_S).begin()


class DesiredList:
    """The devices as cards, with a field to find one."""

    def __init__(self) -> None:
        self._views: Views = ()
        ui.label(_ABOUT).classes("quiet about")
        with ui.element("div").classes("actions"):
            self._wanted = ui.input("Find a device, place or pack", on_change=self._build)
            self._wanted.props("dense outlined clearable").classes("find")
            self._only = ui.checkbox("Only those that differ", on_change=self._build)
            self._count = ui.label("").classes("quiet").props("role=status")
        self._cards = DeviceCards[DesiredView](lambda view: view.report, _fill, _called)

    def show(self, views: Views) -> None:
        """Show the devices as they are now."""
        self._views = views
        self._build()

    def _build(self) -> None:
        wanted = (self._wanted.value or "").strip().lower()
        found = [view for view in self._views if wanted in _searched(view)]
        if self._only.value:
            found = [view for view in found if view.standing == "differs"]
        self._count.set_text(_counted(self._views))
        self._cards.show(found, "None of these." if self._views else "")


def _called(view: DesiredView) -> str:
    return f"{view.report.device_id}: {view.standing}"


def _fill(view: DesiredView, now: datetime) -> None:
    report = view.report
    with ui.element("div").classes("device-head"):
        ui.element("span").classes("dot").props("aria-hidden=true")
        parts.heading(report.device_id)
    ui.label(words.short_state(report, now)).classes("state")
    parts.facts(words.known(("place", report.place or report.deployment_id or "")))
    _matter("Pack", view.pack, view, now)
    _matter("Settings from afar", view.settings, view, now)
    _failure(view, now)


def _matter(title: str, matter: Matter, view: DesiredView, now: datetime) -> None:
    with ui.element("div").classes("matter"):
        with ui.element("div").classes("device-head"):
            parts.heading(title, 3)
            ui.label(matter.standing).classes(f"badge {_KINDS[matter.standing]}")
            if matter.since is not None and matter.standing != "not set from here":
                ui.label(_for_how_long(matter.since, now)).classes("quiet")
        zone = view.report.zone
        asked = wording.local(matter.since, zone) if matter.by and matter.since else ""
        parts.facts(
            words.known(
                ("wanted", matter.wanted),
                ("reports", matter.reported or ("nothing yet" if matter.wanted else "")),
                ("asked by", matter.by),
                ("since", asked),
            )
        )
        if matter.why:
            ui.label(matter.why).classes("why")


def _failure(view: DesiredView, now: datetime) -> None:
    failure = view.last_failure
    if failure is None:
        return
    over = ", over" if failure.is_over else ""
    with ui.element("div").classes("matter"):
        ui.label(f"Last error, {wording.ago(failure.at, now)}{over}").classes("quiet")
        ui.label(failure.text).classes("why" if failure.is_over else "alarm-line")


def _for_how_long(since: datetime, now: datetime) -> str:
    return f"for {words.duration(max(0.0, (now - since).total_seconds()))}"


def _counted(views: Views) -> str:
    if not views:
        return "No device has reported yet."
    said = [wording.amount(len(views), "device")]
    for standing in ("differs", "on its way", "as desired"):
        count = sum(view.standing == standing for view in views)
        said += [f"{count} {'differ' if standing == 'differs' else standing}"] if count else []
    return ", ".join(said)


def _searched(view: DesiredView) -> str:
    report, pack = view.report, view.pack
    names = (report.device_id, report.deployment_id, report.place, pack.wanted, pack.reported)
    return " ".join(name for name in names if name).lower()
