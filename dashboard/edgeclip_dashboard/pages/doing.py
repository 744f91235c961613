"""Deeds that a page does for a person: in a worker thread, in one transaction, told in a line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timezone

from nicegui import ui
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip.contract.validation import said
from edgeclip.errors import EdgeclipError

log = logging.getLogger(__name__)

Deed = Callable[[Session, datetime], object]
"""Changes something in a transaction, at the given time."""


class Doing:
    """The line that says what came of a deed; built inside the current container.

    Args:
        engine: Of the database.
        after: Told after each deed, to read anew.
    """

    def __init__(self, engine: Engine, after: Callable[[], object]) -> None:
        self._engine = engine
        self._after = after
        self._line = ui.label("").classes("answer").props("role=status")
        self._line.set_visibility(False)

    async def do(self, deed: Deed, told: str) -> bool:
        """Do a deed and tell what came of it; say whether it was done."""

        def do() -> None:
            with Session(self._engine) as session, session.begin():
                deed(session, datetime.now(timezone.utc))

        try:
            await asyncio.to_thread(do)
        except EdgeclipError as error:
            self.tell(str(error))
            return False
        except SQLAlchemyError as error:
            self.tell(not_stored(error))
            return False
        self.tell(told)
        self._after()
        return True

    def tell(self, text: str) -> None:
        """Show a line."""
        self._line.set_text(text)
        self._line.set_visibility(bool(text))


def not_stored(error: SQLAlchemyError) -> str:
    """Log why the database did not take a deed; return what the person is told of it."""
    log.error("a deed of a person could not be stored: %s", error)
    return "It could not be stored: try again; the dashboard's log says why."


def problems(error: ValidationError) -> str:
    """Return what is wrong with a form, without what was typed: that may hold a token."""
    found = []
    for one in error.errors(include_input=False, include_url=False):
        where = str(one["loc"][0]).replace("_", " ") if one["loc"] else ""
        found.append(f"{where}: {said(one)}" if where else said(one))
    return "; ".join(found)


async def is_sure(question: str, yes: str) -> bool:
    """Ask a person whether to go on, in a dialog.

    Args:
        question: What would be done, and what of it cannot be undone.
        yes: On the button that goes on.
    """
    with ui.dialog() as dialog, ui.card():
        ui.label(question)
        with ui.element("div").classes("actions"):
            go = ui.button(yes, color=None, on_click=lambda: dialog.submit(True))
            go.props("flat no-caps").classes("action danger")
            leave = ui.button("Leave it", color=None, on_click=lambda: dialog.submit(False))
            leave.props("flat no-caps").classes("action")
    return await dialog is True
