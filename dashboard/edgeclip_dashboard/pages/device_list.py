"""`/devices`: every device, those that need a look first."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from fastapi import Request
from nicegui import ui
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.field import words
from edgeclip_dashboard.field.reports import DeviceReport, read_reports
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.device_cards import DeviceCards
from edgeclip_dashboard.pages.following import Following
from edgeclip_dashboard.pages.frame import page_frame

FIELD_CSS: Final = Path(__file__).with_name("field.css")
FLEET_EVERY_S: Final = 3.0  # all devices are read at once

Reports = tuple[DeviceReport, ...]


def add_device_list(context: PageContext) -> None:
    """Register the page at `/devices`."""

    def read() -> Reports:
        with Session(context.engine) as session:
            return read_reports(session, context.ledger)

    nothing = (
        f"No device has reported yet. Name the project {context.settings.project} and the broker"
        f" {context.health.link.broker} in a device's device.toml: it appears here by itself."
    )

    @ui.page("/devices")
    async def devices(request: Request) -> None:
        with page_frame(context, identity_of(request.scope), "Devices", css=FIELD_CSS):
            await Following(context, read, DeviceList(nothing).show, FLEET_EVERY_S).begin()


class DeviceList:
    """The devices as cards, with a field to find one.

    Args:
        nothing: What is said while there is none.
    """

    def __init__(self, nothing: str) -> None:
        self._nothing = nothing
        self._reports: Reports = ()
        with ui.element("div").classes("actions"):
            self._wanted = ui.input("Find a device or place", on_change=self._build)
            self._wanted.props("dense outlined clearable").classes("find")
            self._count = ui.label("").classes("quiet").props("role=status")
        self._cards = DeviceCards[DeviceReport](lambda report: report, _fill)

    def show(self, reports: Reports) -> None:
        """Show the devices as they are now."""
        self._reports = reports
        self._build()

    def _build(self) -> None:
        wanted = (self._wanted.value or "").strip().lower()
        found = [report for report in self._reports if wanted in _searched(report)]
        self._count_up(found)
        self._cards.show(found, "" if self._reports else self._nothing)

    def _count_up(self, found: list[DeviceReport]) -> None:
        online = sum(report.state == "online" for report in found)
        alarms = wording.amount(sum(len(report.alarms) for report in found), "alarm")
        devices = wording.amount(len(found), "device")
        self._count.set_text(f"{devices}, {online} online, {alarms}")


def _searched(report: DeviceReport) -> str:
    names = (report.device_id, report.deployment_id, report.place, report.camera_id)
    return " ".join(name for name in names if name).lower()


def _fill(report: DeviceReport, now: datetime) -> None:
    with ui.element("div").classes("device-head"):
        ui.element("span").classes("dot").props("aria-hidden=true")
        parts.heading(report.device_id)
        if report.is_armed is False:
            ui.label("disarmed").classes("badge wait")
    ui.label(words.short_state(report, now)).classes("state")
    for alarm in report.alarms[:3]:
        ui.label(f"{alarm.code.replace('_', ' ')}: {alarm.detail}").classes("alarm-line")
    parts.facts(_facts(report, now))
    if report.gaps:
        rows = sum(gap.last - gap.first + 1 for gap in report.gaps)
        ui.label(f"{wording.amount(rows, 'row')} not received").classes("wait")


def _facts(report: DeviceReport, now: datetime) -> words.Facts:
    health = report.health
    heard = wording.ago(report.health_at, now) if report.health_at else ""
    seen = wording.ago(report.last_detection_at, now) if report.last_detection_at else ""
    return words.known(
        ("place", report.place or report.deployment_id or ""),
        ("pack", (report.info and report.info.pack) or ""),
        ("battery", words.number(health.power.battery_v if health else None, "V", 1)),
        ("temperature", words.number(health.thermal.tj_c if health else None, "°C")),
        ("health", heard),
        ("last detection", seen),
    )
