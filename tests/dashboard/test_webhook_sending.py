"""What webhooks send: whole answers within a deadline, and no address of a cloud's secrets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from edgeclip_dashboard.webhooks.formats import Letter
from edgeclip_dashboard.webhooks.sending import open_post

_SIZE = 2000
_HEADERS = f"HTTP/1.1 200 OK\r\nContent-Length: {_SIZE}\r\n\r\n".encode()
_SHORT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Dripping:
    """A real server, of which each connection gives the next of its answers.

    Attributes:
        url: Of the server.
        given: How many bytes have dripped.
        gone: Set when the other end had enough.
    """

    url: str
    given: list[int] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)


@contextmanager
def dripping(*answers: tuple[bytes, bytes]) -> Iterator[Dripping]:
    """Yield a server that answers so, and what it has given.

    Args:
        answers: Of each connection what comes at once, and what comes a byte at a time after it.
    """
    is_over = threading.Event()

    def serve(listening: socket.socket) -> None:
        for at_once, by_drops in answers:
            try:
                connection, _ = listening.accept()
            except OSError:  # the test is over
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(at_once)
                drip(connection, by_drops)

    def drip(connection: socket.socket, data: bytes) -> None:
        for number in range(len(data)):
            if is_over.wait(0.02):
                return
            try:
                connection.sendall(data[number : number + 1])
            except OSError:  # the other end has heard enough
                running.gone.set()
                return
            running.given.append(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = Dripping(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        server = threading.Thread(target=serve, args=(listening,), daemon=True)
        server.start()
        yield running
        is_over.set()
        listening.close()
        server.join(5)


def test_an_answer_that_comes_by_drops_holds_up_no_other_webhook() -> None:
    with dripping((_HEADERS, b"x" * _SIZE)) as server, open_post(longest_answer_s=0.2) as post:
        answer = post(Letter("POST", server.url, {}, b"{}"))
        assert answer.reason is None
        assert 0 < len(answer.body) <= len(server.given) < _SIZE
        assert server.gone.wait(10)


def test_headers_that_come_by_drops_are_no_answer_in_time() -> None:
    slow = b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * _SIZE
    with dripping((b"", slow)) as server, open_post(longest_answer_s=0.2) as post:
        answer = post(Letter("POST", server.url, {}, b"{}"))
        assert answer.reason == "no whole answer within 0.2 s"
        assert not answer.is_final
        assert 0 < len(server.given) < len(slow)
        assert server.gone.wait(10)


def test_a_handshake_that_comes_by_drops_is_no_answer_in_time() -> None:
    slow = b"\x16\x03\x03\x40\x00" + b"\x02" * _SIZE  # of TLS: a record of 16 kB follows
    with dripping((b"", slow)) as server, open_post(longest_answer_s=0.2) as post:
        answer = post(Letter("POST", server.url.replace("http:", "https:"), {}, b"{}"))
        assert answer.reason == "no whole answer within 0.2 s"
        assert server.gone.wait(10)


def test_headers_and_body_share_one_deadline() -> None:
    late = b"HTTP/1.1 500 Oh\r\n\r\n" + b"x" * _SIZE
    with dripping((b"", late)) as server, open_post(longest_answer_s=1.0) as post:
        answer = post(Letter("POST", server.url, {}, b"{}"))
        assert answer.reason is not None
        assert answer.reason.startswith("answered 500: x")
        assert 0 < len(server.given) < len(late)


def test_the_next_request_has_a_deadline_of_its_own() -> None:
    slow = b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * _SIZE
    with dripping((b"", slow), (_SHORT, b"")) as server, open_post(longest_answer_s=0.2) as post:
        assert post(Letter("POST", server.url, {}, b"{}")).reason is not None
        assert post(Letter("POST", server.url, {}, b"{}")).reason is None


def test_an_error_before_any_answer_is_not_taken_for_a_late_one() -> None:
    slow = b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * _SIZE
    with dripping((b"", slow)) as server, open_post(longest_answer_s=0.2) as post:
        assert post(Letter("POST", server.url, {}, b"{}")).reason is not None
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        reason = post(Letter("POST", f"http://127.0.0.1:{port}/", {}, b"{}")).reason
    assert reason is not None
    assert reason.startswith("no answer: ConnectError")


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"]
)
def test_no_webhook_leads_to_where_a_cloud_keeps_a_machines_secrets(host: str) -> None:
    with open_post() as post:
        answer = post(Letter("POST", f"http://{host}/latest/meta-data", {}, b"{}"))
    assert answer.reason is not None
    assert "link-local" in answer.reason
    assert not answer.is_final
