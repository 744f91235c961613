"""Other systems on this machine: an HTTP server and an SMTP server that keep what they are told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Heard:
    """A request that was answered."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's document."""
        return json.loads(self.body)


@dataclass
class HttpListener:
    """A server that answers as a test says.

    Attributes:
        port: On 127.0.0.1.
        status: What it answers.
        headers: What it answers with.
        answer: The body of its answers.
        heard: All requests so far.
    """

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b"{}"
    heard: list[Heard] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def channel(self, path: str = "") -> str:
        """Return its address as a channel of a rule."""
        return f"json://127.0.0.1:{self.port}/{path}"

    def titles(self) -> list[str]:
        """Return the titles that channels were told."""
        return [heard.json()["title"] for heard in self.heard]


@contextmanager
def http_listener() -> Iterator[HttpListener]:
    """Yield a server on a free port."""
    listener = HttpListener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            listener.heard.append(Heard(self.command, self.path, headers, body))
            self.send_response(listener.status)
            for name, value in (listener.headers | {"Content-Length": "0"}).items():
                self.send_header(
                    name, str(len(listener.answer)) if name == "Content-Length" else value
                )
            self.end_headers()
            self.wfile.write(listener.answer)

        do_GET = do_PATCH = do_POST  # noqa: N815 - names of the standard library

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join(5)


@dataclass
class SmtpListener:
    """A mail server.

    Attributes:
        port: On 127.0.0.1.
        letters: All that were handed in.
    """

    port: int = 0
    letters: list[Message] = field(default_factory=list)


@contextmanager
def smtp_listener() -> Iterator[SmtpListener]:
    """Yield a mail server on a free port."""
    listener = SmtpListener()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 listener")
            while said := self.rfile.readline().strip().upper():
                if said == b"DATA":
                    self._say("354 go on")
                    self._take_letter()
                self._say("221 bye" if said == b"QUIT" else "250 yes")
                if said == b"QUIT":
                    return

        def _take_letter(self) -> None:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b"."))
            listener.letters.append(message_from_bytes(b"".join(lines), policy=default))

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        listener.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join(5)
