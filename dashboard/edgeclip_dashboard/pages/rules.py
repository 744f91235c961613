"""`/rules`: who is told of what; for admins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from fastapi import Request
from nicegui import ui
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip_dashboard.deeds import note
from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.notices.channels import channel_problem
from edgeclip_dashboard.notices.desk import (
    RuleView,
    all_rules,
    remove_rule,
    save_rule,
    switch_rule,
)
from edgeclip_dashboard.notices.rules import RuleForm
from edgeclip_dashboard.notices.trial import Tried, try_rule
from edgeclip_dashboard.notices.words import what_it_tells, whom_it_tells
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.doing import Doing, is_sure
from edgeclip_dashboard.pages.following import Following
from edgeclip_dashboard.pages.frame import page_frame, require
from edgeclip_dashboard.pages.notices import NOTICES_CSS
from edgeclip_dashboard.pages.rule_form import Known, RuleWriter

_MOST_NAMES: Final = 500

Facts = tuple[tuple[str, str], ...]
Shown = list[tuple[RuleView, Facts]]
"""Rules with their words, which are made in a worker thread: Apprise loads slowly."""


def add_rules_page(context: PageContext) -> None:
    """Register the page."""

    @ui.page("/rules")
    async def rules(request: Request) -> None:
        identity = identity_of(request.scope)
        require(identity, "admin")
        with page_frame(context, identity, "Rules", css=NOTICES_CSS):
            await _RulesPage(context, identity).begin()


class _RulesPage:
    def __init__(self, context: PageContext, identity: Identity) -> None:
        self._engine = context.engine
        self._time_zone = context.settings.page.time_zone
        self._identity = identity
        ui.label(
            "A rule tells people of a detection once, through any address that Apprise knows:"
            " e-mail, ntfy, Telegram, a web server and many more."
        ).classes("quiet")
        self._following = Following(context, self._read, self._show)
        self._doing = Doing(self._engine, self._following.refresh)
        with ui.element("div").classes("actions"):
            _button("New rule", lambda: self._write(None)).classes("primary")
        self._writer = ui.element("div")
        self._list = ui.element("div").classes("notices")

    async def begin(self) -> None:
        """Read and show for the first time."""
        await self._following.begin()

    def _read(self) -> Shown:
        with Session(self._engine) as session:
            rules = all_rules(session)
        return [(view, (*what_it_tells(view.form), *whom_it_tells(view.form))) for view in rules]

    def _show(self, rules: Shown) -> None:
        self._list.clear()
        with self._list:
            if not rules:
                ui.label("No rule yet: nobody is told of anything.").classes("quiet")
            for view, facts in rules:
                self._build(view, facts)

    def _build(self, view: RuleView, facts: Facts) -> None:
        rule, number = view.form, view.rule_id
        panel = ui.element("section").classes("panel told" if rule.is_enabled else "panel told off")
        panel.props["aria-label"] = f"Rule {rule.name}"
        with panel:
            with ui.element("div").classes("head"):
                parts.heading(rule.name)
                if not rule.is_enabled:
                    ui.label("off").classes("badge")
            parts.facts(facts)
            with ui.element("div").classes("actions"):
                _button("Change", lambda: self._write(view))
                _button("Send a test", lambda: self._try(rule))
                on_off = "Switch off" if rule.is_enabled else "Switch on"
                _button(on_off, lambda: self._switch(number, rule))
                _button("Remove", lambda: self._remove(number, rule.name)).classes("danger")

    async def _write(self, view: RuleView | None) -> None:
        known = await asyncio.to_thread(_known, self._engine, self._time_zone)
        self._writer.clear()
        with self._writer:
            RuleWriter(view.form if view else None, known, self._close, self._saver(view))

    def _saver(self, view: RuleView | None) -> Callable[[RuleForm], Any]:
        async def save(form: RuleForm) -> None:
            def deed(session: Session, at: datetime) -> None:
                rule_id = view.rule_id if view else None
                save_rule(session, self._identity, form, at, rule_id=rule_id)

            if await self._doing.do(deed, f"The rule {form.name} is stored."):
                self._close()

        return save

    def _close(self) -> None:
        self._writer.clear()

    async def _switch(self, rule_id: int, rule: RuleForm) -> None:
        is_on = not rule.is_enabled

        def deed(session: Session, at: datetime) -> None:
            switch_rule(session, self._identity, rule_id, at, is_on=is_on)

        await self._doing.do(deed, f"The rule {rule.name} is {'on' if is_on else 'off'}.")

    async def _remove(self, rule_id: int, name: str) -> None:
        def deed(session: Session, at: datetime) -> None:
            remove_rule(session, self._identity, rule_id, at)

        if await is_sure(f"Remove the rule {name} and its addresses?", "Remove it"):
            await self._doing.do(deed, f"The rule {name} is removed.")

    async def _try(self, rule: RuleForm) -> None:
        self._doing.tell(f"Testing {rule.name} ..")
        tried = await asyncio.to_thread(try_rule, rule)

        def deed(session: Session, at: datetime) -> None:
            note(session, self._identity, "rule tested", rule.name, at)

        await self._doing.do(deed, _outcome(rule.name, tried))


def _outcome(name: str, tried: tuple[Tried, ...]) -> str:
    told = "; ".join(f"{one.channel}: {one.reason or 'took it'}" for one in tried)
    return f"Test of {name}: {told}"


def _button(text: str, act: Callable[[], object]) -> ui.button:
    return ui.button(text, color=None, on_click=act).props("flat no-caps").classes("action")


def _known(engine: Any, time_zone: str) -> Known:
    """Return the species and places that have been seen, for the form to offer; load Apprise."""
    channel_problem("json://127.0.0.1")  # here, in a worker thread, and not when the form is sent
    with Session(engine) as session:
        names = select(DetectionRow.class_name).where(DetectionRow.class_name.is_not(None))
        places = session.execute(select(Deployment.deployment_id, Deployment.name)).tuples()
        return Known(
            species=tuple(
                name for name in session.scalars(names.distinct().limit(_MOST_NAMES)) if name
            ),
            places={number: name or number for number, name in places},
            time_zone=time_zone,
        )
