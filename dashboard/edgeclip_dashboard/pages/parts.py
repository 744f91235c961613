"""Small parts that pages share: facts, tables, headings. Text is only ever text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nicegui import ui


def heading(text: str, level: int = 2) -> None:
    """Build a heading."""
    with ui.element(f"h{level}"):
        ui.label(text)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Build names with their values."""
    for name, value in pairs:
        with ui.element("div").classes("fact"):
            ui.label(name).classes("name")
            ui.label(value)


def table(
    titles: Sequence[str], rows: Iterable[Sequence[str | tuple[str, str]]], caption: str
) -> None:
    """Build a table that scrolls by itself where it is wider than the page.

    Args:
        titles: Of the columns.
        rows: A cell is a text, or a text with the address that it leads to.
        caption: What it is of, for those who hear the page.
    """
    with ui.element("div").classes("table-scroll"), ui.element("table").classes("rows"):
        with ui.element("caption").classes("hidden-text"):
            ui.label(caption)
        with ui.element("thead"), ui.element("tr"):
            for title in titles:
                with ui.element("th").props("scope=col"):
                    ui.label(title)
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    for cell in row:
                        with ui.element("td"):
                            _cell(cell)


def link(text: str, href: str) -> ui.element:
    """Build a link inside this dashboard."""
    element = ui.element("a")
    element.props["href"] = href
    with element:
        ui.label(text)
    return element


def _cell(cell: str | tuple[str, str]) -> None:
    if isinstance(cell, str):
        ui.label(cell)
    else:
        link(*cell)
