"""The form that writes a rule; addresses that are stored are shown masked, and kept or removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nicegui import ui
from pydantic import ValidationError

from edgeclip_dashboard.notices.channels import masked
from edgeclip_dashboard.notices.rules import RuleForm
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.doing import problems

_SEVERITIES: Final = ["alert", "routine"]
_HINT: Final = "An address a line: mailtos://USER:PASSWORD@HOST?to=.., ntfys://.., tgram://.."


@dataclass(frozen=True)
class Known:
    """What the form offers; other names can be typed.

    Attributes:
        species: Names of classes.
        places: Names of deployments by id.
        time_zone: Of the project.
    """

    species: tuple[str, ...]
    places: dict[str, str]
    time_zone: str = "UTC"


class ChannelList:
    """The channels of a rule: those that are stored with a box to keep each, and new ones."""

    def __init__(self, title: str, stored: tuple[str, ...]) -> None:
        self._kept: list[tuple[str, Any]] = []
        with ui.element("div").classes("wide"):
            for url in stored:
                self._kept.append((url, ui.checkbox(f"{title}: {masked(url)}", value=True)))
            new = f"{title}: new addresses" if stored else title
            self._new = ui.textarea(new).props("outlined autogrow spellcheck=false")
            self._new.props["hint"] = _HINT
            self._new.props["autocomplete"] = "off"

    def urls(self) -> tuple[str, ...]:
        """Return the addresses that are to be stored."""
        kept = [url for url, box in self._kept if box.value]
        typed = [line.strip() for line in (self._new.value or "").splitlines()]
        return (*kept, *(line for line in typed if line))


class RuleWriter:
    """The form, built inside the current container.

    Args:
        rule: The one that is changed, or None for a new one.
        known: What it offers.
        close: Called when the person does not want to.
        save: Called with what was written, once it is a rule.
    """

    def __init__(
        self,
        rule: RuleForm | None,
        known: Known,
        close: Callable[[], object],
        save: Callable[[RuleForm], Any],
    ) -> None:
        self._rule = rule
        self._save = save
        self._project_zone = known.time_zone
        with ui.element("form").classes("panel writer").on("submit.prevent", self._send):
            parts.heading(f"Change {rule.name}" if rule else "New rule")
            with ui.element("div").classes("form"):
                self._build_what(rule, known)
                self._build_whom(rule)
            self._problem = ui.label("").classes("problem").props("role=alert")
            self._problem.set_visibility(False)
            with ui.element("div").classes("actions"):
                store = ui.button("Store the rule", color=None).props("flat no-caps type=submit")
                store.classes("action primary")
                leave = ui.button("Leave it", color=None, on_click=close).props("flat no-caps")
                leave.classes("action")

    def _build_what(self, rule: RuleForm | None, known: Known) -> None:
        self._name = ui.input("Name", value=rule.name if rule else "")
        self._name.props("outlined maxlength=100")
        species = _choice("Species (any)", list(known.species), rule.class_names if rule else ())
        self._species = species.props("new-value-mode=add-unique")
        places = list(known.places)
        self._places = _choice("Places (any)", places, rule.deployment_ids if rule else ())
        self._severities = _choice("Severity (any)", _SEVERITIES, rule.severities if rule else ())
        percent = round(rule.min_probability * 100, 1) if rule and rule.min_probability else None
        self._percent = ui.number("Probability at least, %", value=percent, min=0, max=100)
        self._percent.props("outlined")
        self._from = _hour("Seen from", rule.from_hour if rule else None)
        self._to = _hour("Seen until", rule.to_hour if rule else None)

    def _build_whom(self, rule: RuleForm | None) -> None:
        zone = rule.time_zone if rule else self._project_zone
        self._zone = ui.input("Time zone of these hours", value=zone)
        self._zone.props("outlined")
        self._quiet_from = _hour("Quiet from", rule.quiet_from if rule else None)
        self._quiet_to = _hour("Quiet until", rule.quiet_to if rule else None)
        self._channels = ChannelList("Tell", rule.channels if rule else ())
        minutes = rule.escalate_after_s / 60 if rule and rule.escalate_after_s else None
        self._minutes = ui.number("Tell further after, minutes", value=minutes, min=1)
        self._minutes.props("outlined")
        self._further = ChannelList("Tell further", rule.escalate_channels if rule else ())

    async def _send(self) -> None:
        try:
            form = self._form()
        except ValidationError as error:
            self._problem.set_text(problems(error))
            self._problem.set_visibility(True)
            return
        self._problem.set_visibility(False)
        await self._save(form)

    def _form(self) -> RuleForm:
        percent, minutes = self._percent.value, self._minutes.value
        return RuleForm(
            name=self._name.value or "",
            is_enabled=self._rule.is_enabled if self._rule else True,
            class_names=tuple(self._species.value or ()),
            deployment_ids=tuple(self._places.value or ()),
            severities=tuple(self._severities.value or ()),
            min_probability=None if percent is None else percent / 100,
            from_hour=self._from.value or None,
            to_hour=self._to.value or None,
            quiet_from=self._quiet_from.value or None,
            quiet_to=self._quiet_to.value or None,
            time_zone=(self._zone.value or "UTC").strip(),
            channels=self._channels.urls(),
            escalate_after_s=None if minutes is None else round(minutes * 60),
            escalate_channels=self._further.urls(),
        )


def _choice(label: str, options: list[str], chosen: tuple[str, ...]) -> ui.select:
    offered = list(dict.fromkeys([*options, *chosen]))
    select = ui.select(offered, value=list(chosen), label=label, multiple=True, with_input=True)
    return select.props("outlined use-chips")


def _hour(label: str, value: str | None) -> ui.input:
    return ui.input(label, value=value or "").props("outlined stack-label type=time")
