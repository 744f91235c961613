from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from edgeclip_dashboard.webhooks.formats import Letter
from edgeclip_dashboard.webhooks.sending import open_post

_SIZE = 2000


@pytest.fixture
def dripping() -> Iterator[tuple[str, list[int]]]:
    """A server whose answer comes a byte at a time, and how many it has given."""
    given: list[int] = []
    is_over = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {_SIZE}\r\n\r\n".encode())
            while not is_over.wait(0.02) and len(given) < _SIZE:
                try:
                    connection.sendall(b"x")
                except OSError:  # the other end has heard enough
                    return
                given.append(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve, args=(listening,), daemon=True)
        server.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/", given
        is_over.set()
        server.join(5)


def test_an_answer_that_comes_by_drops_holds_up_no_other_webhook(
    dripping: tuple[str, list[int]],
) -> None:
    url, given = dripping
    with open_post(longest_answer_s=0.2) as post:
        answer = post(Letter("POST", url, {}, b"{}"))
    assert answer.reason is None
    assert 0 < len(answer.body) <= len(given) < _SIZE


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"]
)
def test_no_webhook_leads_to_where_a_cloud_keeps_a_machines_secrets(host: str) -> None:
    with open_post() as post:
        answer = post(Letter("POST", f"http://{host}/latest/meta-data", {}, b"{}"))
    assert answer.reason is not None
    assert "link-local" in answer.reason
    assert not answer.is_final
