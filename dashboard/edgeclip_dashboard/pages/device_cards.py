"""Devices as cards that lead to their pages; only what has changed is built anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final, Generic, TypeVar

from nicegui import ui

from edgeclip_dashboard.field.reports import DeviceReport

ViewT = TypeVar("ViewT")

_MOST_SHOWN: Final = 100  # of more, one is found by its name
_TICK: Final = timedelta(seconds=30)  # what depends on the time is told anew


class DeviceCards(Generic[ViewT]):
    """Cards in their order, and below them how many are not shown.

    Args:
        report_of: Returns the device's report of what is shown of it.
        fill: Builds a card's content, by what is shown and the time.
        name: Returns what a card is called for those who hear it; None: all of its text.
    """

    def __init__(
        self,
        report_of: Callable[[ViewT], DeviceReport],
        fill: Callable[[ViewT, datetime], None],
        name: Callable[[ViewT], str] | None = None,
    ) -> None:
        self._report_of, self._fill, self._name = report_of, fill, name
        self._cards: dict[str, tuple[ViewT, ui.element]] = {}
        self._ticked_at = datetime.min.replace(tzinfo=timezone.utc)
        self._grid = ui.element("div").classes("device-cards")
        self._more = ui.label("").classes("quiet")

    def show(self, views: Sequence[ViewT], nothing: str) -> None:
        """Show these devices as they are now.

        Args:
            views: What is shown of each.
            nothing: What is said where there are none.
        """
        shown = {self._report_of(view).device_id: view for view in views[:_MOST_SHOWN]}
        more = len(views) - len(shown)
        said = f"{more} more: find them by name" if more else ""
        self._more.set_text(said if views else nothing)
        if list(shown) != list(self._cards):
            self._grid.clear()
            self._cards = {}
        now = datetime.now(timezone.utc)
        is_tick = now - self._ticked_at >= _TICK
        self._ticked_at = now if is_tick else self._ticked_at
        for name, view in shown.items():
            known = self._cards.get(name)
            if known is None or is_tick or known[0] != view:
                self._cards[name] = view, self._card(view, known and known[1], now)

    def _card(self, view: ViewT, card: ui.element | None, now: datetime) -> ui.element:
        report = self._report_of(view)
        if card is None:
            with self._grid:
                card = ui.element("a")
            card.props["href"] = f"/devices/{report.device_id}"
        card.clear()
        card.classes(replace=f"device panel {report.state or 'unknown'}")
        if self._name is not None:
            card.props["aria-label"] = self._name(view)
        with card:
            self._fill(view, now)
        return card
