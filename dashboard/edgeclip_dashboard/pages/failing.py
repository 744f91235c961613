"""What a browser is told where there is no page, or where one could not be built."""

from __future__ import annotations

import logging
from typing import Final

import nicegui
from fastapi import HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from starlette.responses import JSONResponse, Response

from edgeclip_dashboard.guard import is_for_program
from edgeclip_dashboard.pages.plain import message_page

log = logging.getLogger(__name__)

_NOWHERE: Final = "There is no page at this address: is it whole?"
_BROKEN: Final = (
    "This page could not be built. Try again; if it stays so, an admin finds the reason in the"
    " server's log."
)


def add_failure_pages() -> None:
    """Answer in our own words where NiceGUI has no page, or one raised an error."""
    nicegui.app.exception_handler(404)(_not_found)
    nicegui.app.exception_handler(Exception)(_failed)


async def _not_found(request: Request, error: Exception) -> Response:
    if is_for_program(request):
        return await http_exception_handler(request, HTTPException(404, "no such path"))
    detail = error.detail if isinstance(error, HTTPException) else ""
    is_ours = detail not in ("", "Not Found")
    told = f"{detail[0].upper()}{detail[1:]}." if is_ours else _NOWHERE
    return message_page(told, status=404, title="Nothing is here")


async def _failed(request: Request, error: Exception) -> Response:
    log.error("%s could not be answered", request.url.path, exc_info=error)
    if is_for_program(request):
        return JSONResponse({"detail": "see the server's log"}, 500)
    return message_page(_BROKEN, status=500, title="Something went wrong")
