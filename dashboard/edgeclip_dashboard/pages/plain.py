"""Plain HTML pages, whole in one answer: for who is not signed in and so gets no other file."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from starlette.responses import HTMLResponse

_CSS: Final = Path(__file__).with_name("plain.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}';"
    " img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
}


@dataclass(frozen=True)
class Field:
    """A line of a form.

    Attributes:
        name: In what is sent.
        label: What a person reads; none for a hidden one.
        kind: text, password, hidden, or known: a text that only a password manager reads.
        value: Filled in at the start.
        complete: What the browser may fill in, as in HTML's `autocomplete`.
        is_first: It has the focus at the start.
    """

    name: str
    label: str = ""
    kind: str = "text"
    value: str = ""
    complete: str = "off"
    is_first: bool = False


def plain_page(
    title: str, parts: list[str], *, status: int = 200, theme: str = "auto"
) -> HTMLResponse:
    """Return a page.

    Args:
        title: Plain text, also its heading.
        parts: HTML as the functions below give it.
        status: Of the answer.
        theme: auto, dark or light.
    """
    heading = escape(title)
    html = (
        f'<!doctype html><html lang="en-US" data-theme="{escape(theme)}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{heading} · edgeclip</title><link rel="icon" href="data:,">'
        f"<style>{_CSS}</style></head>"
        f"<body><main><h1>{heading}</h1>{''.join(parts)}</main></body></html>"
    )
    return HTMLResponse(html, status, _HEADERS)


def message_page(told: str, *, status: int, title: str = "edgeclip") -> HTMLResponse:
    """Return a page that says one thing and leads back."""
    return plain_page(title, [paragraph(told), link("/", "Back to the start")], status=status)


def paragraph(text: str, *, is_bad: bool = False) -> str:
    """Return a paragraph of plain text; a bad one is read aloud at once."""
    return f"<p{' class=bad role=alert' if is_bad else ''}>{escape(text)}</p>"


def link(path: str, text: str) -> str:
    """Return a link on this server."""
    return f'<p><a href="{escape(path)}">{escape(text)}</a></p>'


def form(path: str, fields: list[Field], button: str, *, is_quiet: bool = False) -> str:
    """Return a form that is sent by one button."""
    quiet = ' class="quiet"' if is_quiet else ""
    lines = "".join(map(_field, fields))
    return (
        f'<form method="post" action="{escape(path)}">{lines}'
        f"<button{quiet}>{escape(button)}</button></form>"
    )


def _field(field: Field) -> str:
    kind = "text" if field.kind == "known" else field.kind
    attributes = f'name="{escape(field.name)}" type="{escape(kind)}"'
    attributes += f' value="{escape(field.value)}"'
    if field.kind == "hidden":
        return f"<input {attributes}>"
    attributes += f' autocomplete="{escape(field.complete)}"'
    if field.kind == "known":
        return f"<input {attributes} readonly hidden>"
    attributes += ' required maxlength="256"'
    if field.is_first:
        attributes += " autofocus"
    return f"<label>{escape(field.label)}<input {attributes}></label>"
