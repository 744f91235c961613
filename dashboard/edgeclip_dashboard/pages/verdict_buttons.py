"""Buttons and keys for a verdict: right, wrong, or another species, with completion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Final, Literal

from nicegui import ui
from nicegui.events import KeyEventArguments
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip.errors import DashboardError
from edgeclip_dashboard import wording
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.neighbours import tell
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.doing import not_stored
from edgeclip_dashboard.verdicts import OutdatedError, Said, class_from, give_verdict

KEYS: Final = {"r": "right", "w": "wrong", "o": "other"}
_TITLES: Final = {"right": "Right", "wrong": "Wrong", "other": "Other species"}
_ICONS: Final = {"right": "check", "wrong": "close", "other": "edit"}


TYPING: Final[list[Literal["input", "select", "button", "textarea"]]] = [
    "input", "select", "textarea",
]  # fmt: skip
"""Where a key is only a letter."""


class VerdictButtons:
    """Three buttons and the form for another species; built inside the current container.

    Args:
        context: The running dashboard.
        identity: Who says it.
        species: The names to complete with, as they are stored.
        given: Told that a verdict of a detection is stored.
        outdated: Told that the device says something else by now than what is shown.
        with_note: Whether to ask for a note beside the verdict.
    """

    def __init__(
        self,
        context: PageContext,
        identity: Identity,
        species: Iterable[str],
        given: Callable[[str, Said], Awaitable[None]],
        outdated: Callable[[], Awaitable[None]],
        *,
        with_note: bool = False,
    ) -> None:
        self._context = context
        self._identity = identity
        self._species = tuple(species)
        self._given = given
        self._outdated = outdated
        self._detection_id = ""
        self._rev = 0
        self._is_busy = False
        with ui.element("div").classes("actions verdicts").props('role=group aria-label="Verdict"'):
            for key, word in KEYS.items():
                self._button(key, word)
        self._form = ui.element("form").classes("other-species")
        self._form.on("submit.prevent", self._name_it)
        with self._form:
            self._build_form()
        self._form.set_visibility(False)
        self._note = ui.input("Note beside the verdict").props("outlined dense maxlength=1000")
        self._note.classes("note").set_visibility(with_note)
        ui.keyboard(lambda event: self.press(plain_key(event)), ignore=TYPING, repeating=False)

    def ask(self, detection_id: str, rev: int = 0) -> None:
        """Ask about a revision from now on; about nothing while the id is empty."""
        if detection_id != self._detection_id:
            self._close()
        self._detection_id, self._rev = detection_id, rev

    async def press(self, key: str) -> None:
        """Do what a key stands for; another than those of `KEYS` does nothing."""
        if key == "o":
            self._open()
        elif key in KEYS:
            await self._give(Said("right" if key == "r" else "wrong"))

    def _button(self, key: str, word: str) -> None:
        button = ui.element("button").classes(f"action {word}").props("type=button")
        button.props["aria-keyshortcuts"] = key
        button.on("click", lambda: self.press(key))
        with button:
            ui.icon(_ICONS[word], size="1.2rem").props("aria-hidden=true")
            ui.label(_TITLES[word])
            with ui.element("kbd"):
                ui.label(key)

    def _build_form(self) -> None:
        words = [wording.spaced(name) for name in self._species]
        self._name = ui.input("Which species is it?", autocomplete=words)
        self._name.props("outlined dense maxlength=64").on("keydown.esc", self._close)
        with ui.element("button").classes("action primary").props("type=submit"):
            ui.label("That it is")
        with ui.element("button").classes("action").props("type=button") as cancel:
            ui.label("Cancel")
        cancel.on("click", self._close)

    def _open(self) -> None:
        self._name.set_value("")
        self._form.set_visibility(True)
        self._name.run_method("focus")

    def _close(self) -> None:
        self._form.set_visibility(False)

    async def _name_it(self) -> None:
        await self._give(Said("other", class_from(str(self._name.value or ""), self._species)))

    async def _give(self, said: Said) -> None:
        """Store a verdict; a second key before the first is stored says nothing."""
        detection_id, rev = self._detection_id, self._rev
        if self._is_busy or not detection_id:
            return
        self._is_busy = True
        try:
            noted = replace(said, note=str(self._note.value or ""))
            await asyncio.to_thread(self._store, detection_id, rev, noted)
            self._note.set_value("")
            self._context.feed.changed()
            await self._given(detection_id, said)
        except OutdatedError as error:
            ui.notify(str(error), type="negative")
            await self._outdated()
        except DashboardError as error:
            ui.notify(str(error), type="negative")
        except SQLAlchemyError as error:
            ui.notify(not_stored(error), type="negative")
        finally:
            self._is_busy = False

    def _store(self, detection_id: str, rev: int, said: Said) -> None:
        context = self._context
        with Session(context.engine) as session, session.begin():
            now = datetime.now(timezone.utc)
            give_verdict(session, self._identity, detection_id, said, now, seen_rev=rev)
            tell(session, context.settings.dashboard_id, [])


def plain_key(event: KeyEventArguments) -> str:
    """Return a key that went down by itself, in lower case, else an empty string."""
    modifiers = event.modifiers
    if not event.action.keydown or modifiers.ctrl or modifiers.alt or modifiers.meta:
        return ""
    return str(event.key).lower()
