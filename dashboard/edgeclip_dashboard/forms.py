"""What a form of ours sends: read with a bound on its size, and only if we gave the form out."""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from edgeclip.errors import DashboardError

CSRF_FIELD: Final = "csrf"
_MOST_BYTES: Final = 10_000
_MOST_FIELDS: Final = 20


class FormError(DashboardError):
    """What was sent is not a form of ours; the message is for the person who sent it."""


async def read_form(request: Request, expected: str) -> dict[str, str]:
    """Return the fields of a form by name, the last one of each.

    Args:
        request: As `application/x-www-form-urlencoded`.
        expected: What its field `csrf` must hold.

    Raises:
        FormError: Too large, not a form, or not given out by us to this browser.
    """
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > _MOST_BYTES:
            raise FormError("That is too much for this form.")
    try:
        fields = dict(
            parse_qsl(
                data.decode(),
                keep_blank_values=True,
                max_num_fields=_MOST_FIELDS,
                errors="strict",
            )
        )
    except ValueError as error:
        raise FormError("That is no form of this page.") from error
    if any("\0" in text for text in fields.values()):  # PostgreSQL keeps none
        raise FormError("That is no form of this page.")
    sent = fields.get(CSRF_FIELD, "")
    if not expected or not hmac.compare_digest(sent.encode(), expected.encode()):
        raise FormError("This form is too old: open the page again, with cookies allowed.")
    return fields


def local_path(wanted: str) -> str:
    """Return a path of this server to go on to; `/` in place of anything else.

    Browsers read a backslash as a slash, and skip tabs and line ends: all of these are refused.
    """
    is_path = wanted.startswith("/") and not wanted.startswith("//")
    is_plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if is_path and is_plain and len(wanted) <= 2000 else "/"
