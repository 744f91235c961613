"""`/devices/{id}`: all about one device."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final

from fastapi import HTTPException, Request
from nicegui import ui
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.field import words
from edgeclip_dashboard.field.advice import advice
from edgeclip_dashboard.field.asked import AskedView, read_asked
from edgeclip_dashboard.field.history import Series, read_history
from edgeclip_dashboard.field.reports import (
    AlarmView,
    DeviceReport,
    Past,
    read_past,
    read_report,
)
from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.models import Device
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.command_panel import CommandPanel
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.device_charts import build_charts
from edgeclip_dashboard.pages.device_list import FIELD_CSS
from edgeclip_dashboard.pages.following import Following
from edgeclip_dashboard.pages.frame import page_frame

_SPANS: Final = {1: "24 hours", 7: "7 days", 30: "30 days", 400: "a year"}


@dataclass(frozen=True)
class Read:
    """What the page shows."""

    report: DeviceReport
    past: Past
    asked: tuple[AskedView, ...]
    history: tuple[Series, ...]


def add_device_page(context: PageContext) -> None:
    """Register the page at `/devices/{device_id}`."""

    @ui.page("/devices/{device_id}")
    async def device(request: Request, device_id: str) -> None:
        if not await asyncio.to_thread(_is_known, context, device_id):
            raise HTTPException(404, "no device of that name has ever spoken here")
        identity = identity_of(request.scope)
        with page_frame(context, identity, device_id, css=FIELD_CSS):
            page = DevicePage(context, identity, device_id)
            await page.begin()


def _is_known(context: PageContext, device_id: str) -> bool:
    with Session(context.engine) as session:
        return session.get(Device, device_id) is not None


class DevicePage:
    """One visitor's page of a device."""

    def __init__(self, context: PageContext, identity: Identity, device_id: str) -> None:
        self._context = context
        self._device_id = device_id
        self._span_days = 7
        self._shown: dict[str, object] = {}
        self._since: list[tuple[AlarmView, ui.label]] = []
        self._head = ui.element("section").classes("device-head-section")
        self._alarms = ui.element("section").props('aria-label="Alarms"')
        self._commands = (
            CommandPanel(context, identity, device_id) if identity.may("reviewer") else None
        )
        self._facts = ui.element("section").classes("panels")
        with ui.element("section").classes("panel history"):
            with ui.element("div").classes("actions"):
                parts.heading("Health")
                spans = ui.toggle(_SPANS, value=self._span_days, on_change=self._on_span)
                spans.classes("spans").props('dense no-caps unelevated aria-label="How far back"')
            self._charts = ui.element("div").classes("charts")
        self._past = ui.element("section").classes("panels")
        self._following = Following(context, self._read, self._show)

    async def begin(self) -> None:
        """Show the device as it is now, and follow it."""
        await self._following.begin()

    def _read(self) -> Read:
        since = datetime.now(timezone.utc) - timedelta(days=self._span_days)
        with Session(self._context.engine) as session:
            report = read_report(session, self._context.ledger, self._device_id, self._context.zone)
            if report is None:  # rows of devices are never removed
                raise LookupError(self._device_id)
            history = read_history(session, self._device_id, since)
            asked = read_asked(session, self._device_id) if self._commands else ()
            return Read(report, read_past(session, self._device_id), asked, history)

    def _on_span(self, event: object) -> None:
        self._span_days = int(getattr(event, "value", 7))
        self._following.refresh()

    def _show(self, read: Read) -> None:
        now = datetime.now(timezone.utc)
        self._head.clear()
        with self._head:
            _build_head(read.report, now)
        if self._has_changed("alarms", read.report.alarms):
            self._alarms.clear()
            with self._alarms:
                self._since = [(alarm, _build_alarm(alarm)) for alarm in read.report.alarms]
        for alarm, label in self._since:  # by itself: what is built anew is read out again
            label.set_text(_since(alarm, now, read.report.zone))
        if self._commands is not None and self._has_changed(
            "asked", (read.asked, read.report.zone)
        ):
            self._commands.show(read.asked, read.report.zone)
        if self._has_changed("facts", _facts_of(read.report)):
            self._facts.clear()
            with self._facts:
                _build_facts(read.report)
        if self._has_changed("history", (self._span_days, read.history, read.report.zone)):
            self._charts.clear()
            with self._charts:
                build_charts(read.history, _SPANS[self._span_days], read.report.zone)
        if self._has_changed("past", (read.past, read.report.zone)):
            self._past.clear()
            with self._past:
                _build_past(read.past, read.report.zone)

    def _has_changed(self, part: str, value: object) -> bool:
        if part in self._shown and self._shown[part] == value:
            return False
        self._shown[part] = value
        return True


def _build_head(report: DeviceReport, now: datetime) -> None:
    with ui.element("div").classes(f"device-head device {report.state or 'unknown'}"):
        ui.element("span").classes("dot").props("aria-hidden=true")
        ui.label(words.state(report, now)).classes("state").props("role=status")
        if report.is_armed is False:
            ui.label("disarmed").classes("badge wait")
    with ui.element("div").classes("actions quiet"):
        if report.deployment_id:
            parts.link(report.place or report.deployment_id, f"/deployments/{report.deployment_id}")
        if report.health_at:
            ui.label(f"health {wording.ago(report.health_at, now)}")
        if report.last_detection_at:
            ui.label(f"last detection {wording.ago(report.last_detection_at, now)}")


def _build_alarm(alarm: AlarmView) -> ui.label:
    """Build an alarm; return what says since when."""
    with ui.element("article").classes("alarm panel").props("role=alert"):
        with ui.element("div").classes("alarm-head"):
            ui.icon("warning", size="1.3rem").props("aria-hidden=true")
            parts.heading(alarm.code.replace("_", " "))
            since = ui.label("").classes("since")
        ui.label(alarm.detail)
        ui.label(advice(alarm.code)).classes("advice")
    return since


def _since(alarm: AlarmView, now: datetime, zone: tzinfo | None) -> str:
    return f"since {wording.local(alarm.began_at, zone)} ({wording.ago(alarm.began_at, now)})"


def _facts_of(report: DeviceReport) -> tuple[object, ...]:
    return report.info, report.health, report.gaps, report.zone


def _build_facts(report: DeviceReport) -> None:
    groups = [("Runs", words.runs(report))]
    if report.health is not None:
        groups += [
            ("Machine", words.condition(report.health)),
            ("Work", words.work(report.health)),
        ]
    groups.append(("Rows not received", _gaps(report)))
    for title, pairs in groups:
        if pairs:
            with ui.element("article").classes("panel"):
                parts.heading(title)
                parts.facts(pairs)


def _gaps(report: DeviceReport) -> words.Facts:
    pairs = [(f"outbox {gap.epoch[:8]}", f"{gap.first} to {gap.last}") for gap in report.gaps[:20]]
    more = len(report.gaps) - 20
    return pairs + ([("and", f"{more} more gaps")] if more > 0 else [])


def _build_past(past: Past, zone: tzinfo | None) -> None:
    if past.ended:
        with ui.element("article").classes("panel ended"):
            parts.heading("Alarms that are over")
            rows = [
                (
                    alarm.code.replace("_", " "),
                    wording.local(alarm.began_at, zone),
                    wording.local(alarm.over_at, zone),
                    alarm.detail,
                )
                for alarm in past.ended
            ]
            parts.table(("alarm", "since", "until", "what it said"), rows, "Alarms that are over")
    with ui.element("article").classes("panel log-book"):
        parts.heading("Log book")
        if not past.entries:
            ui.label("No entries yet; they come in groups.").classes("quiet")
            return
        entries = [
            (wording.local(entry.at, zone), entry.kind, entry.text) for entry in past.entries
        ]
        with ui.element("div").classes("scrolled"):
            parts.table(("when", "kind", "what"), entries, "Log book, the newest first")
