"""Headers that keep a page to this server, and to the one host of map tiles that is configured."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeclip_dashboard.config_field import tile_origin


def security_headers(tiles: str | None) -> dict[str, str]:
    """Return what stands in each answer.

    Args:
        tiles: The configured address of map tiles: its host alone may be asked for pictures.
    """
    pictures = f"'self' data: {tile_origin(tiles)}" if tiles else "'self' data:"
    return {
        # NiceGUI builds its page by inline scripts and by Vue templates: hence the two "unsafe".
        "Content-Security-Policy": f"default-src 'self'; img-src {pictures};"
        " font-src 'self' data:; style-src 'self' 'unsafe-inline';"
        " script-src 'self' 'unsafe-inline' 'unsafe-eval';"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # Not "no-referrer": browsers would then send our own forms without their origin. Public
        # tile servers refuse who does not say where from; they are told this server, and no page.
        "Referrer-Policy": "strict-origin-when-cross-origin" if tiles else "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


class SecurityHeaders:
    """Adds headers to each answer; a class because ASGI asks for one."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
