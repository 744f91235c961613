"""Who gets in, and what a stranger is told; a running dashboard without a broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from support.brokers import free_port
from support.dashboards import Dashboard, running_dashboard
from support.sign_ins import Visit


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker) as running:
        yield running


@pytest.fixture
def stranger(dashboard: Dashboard) -> Visit:
    return Visit(dashboard.url)


@pytest.fixture
def admin(dashboard: Dashboard) -> Visit:
    name, _, value = dashboard.cookie.partition("=")
    return Visit(dashboard.url, {name: value})


def test_the_health_check_answers_a_stranger(stranger: Visit) -> None:
    assert stranger.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/", "/sign-in"),
        ("/review?species=leopard", "/sign-in?next=/review%3Fspecies%3Dleopard"),
        ("/healthz/", "/sign-in?next=/healthz/"),
        ("/sign-in/../", "/sign-in?next=/sign-in/../"),
        ("//elsewhere.example/", "/sign-in?next=//elsewhere.example/"),
        ("/favicon.ico", "/sign-in?next=/favicon.ico"),
    ],
)
def test_a_page_leads_a_stranger_to_the_sign_in(stranger: Visit, path: str, leads_to: str) -> None:
    answer = stranger.get(path)
    assert (answer.status, answer.location) == (303, leads_to)


@pytest.mark.parametrize(
    "path",
    [
        "/api/detections",
        "/api/nothing",
        "/metrics",
        "/media/" + "a" * 64 + ".jpg",
        "/_nicegui/3.0.0/static/nicegui.js",
        "/_nicegui_ws/socket.io/?EIO=4&transport=polling",
    ],
)
def test_a_program_is_told_401(stranger: Visit, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Sign in" in answer.body


def test_a_cookie_that_is_none_of_ours_opens_nothing(stranger: Visit) -> None:
    stranger.cookies["edgeclip_demo"] = "x" * 43
    assert stranger.get("/api/devices").status == 401


def test_an_admin_gets_in(admin: Visit) -> None:
    assert admin.get("/").status == 200
    assert admin.get("/api/devices").body == "[]"


def _websocket(dashboard: Dashboard, **headers: str) -> str:
    """Return the first line of the answer to a websocket's handshake."""
    host, port = dashboard.url.removeprefix("http://").split(":")
    sent = {
        "Host": f"{host}:{port}", "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    } | headers  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return connection.recv(4096).decode(errors="replace").splitlines()[0]


def test_a_websocket_needs_a_session_and_a_page_of_ours(dashboard: Dashboard) -> None:
    cookie = dashboard.cookie
    assert "403" in _websocket(dashboard, Origin=dashboard.url)
    assert "403" in _websocket(dashboard, Cookie=cookie, Origin="http://elsewhere.example")
    assert "403" in _websocket(dashboard, Cookie=cookie)
    assert "101" in _websocket(dashboard, Cookie=cookie, Origin=dashboard.url)


def test_a_form_of_another_site_is_refused(admin: Visit) -> None:
    csrf = admin.csrf("/account")
    refused = admin.post("/sign-out", {"csrf": csrf}, Origin="http://elsewhere.example")
    assert refused.status == 403
    assert admin.post("/sign-out", {"csrf": csrf}, Origin="null").status == 403
    assert admin.post("/sign-out", {"csrf": csrf}, Origin="").status == 403
    assert admin.get("/api/devices").status == 200


def test_what_a_page_of_another_port_reads_is_refused(admin: Visit) -> None:
    other = {"Origin": "http://127.0.0.1:1"}
    for path in ("/api/devices", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"):
        answer = admin.ask("GET", path, headers=other)
        assert answer.status == 403
        assert answer.headers["access-control-allow-origin"] is None
    assert admin.ask("GET", "/api/devices", headers={"Origin": admin.url}).status == 200


def test_a_form_without_its_token_is_refused(admin: Visit) -> None:
    assert admin.post("/sign-out", {}).status == 400
    assert admin.post("/sign-out", {"csrf": "x"}).status == 400
    assert admin.get("/api/devices").status == 200


def test_without_accounts_only_names_of_this_machine_are_answered(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    broker, folder = f"mqtt://127.0.0.1:{free_port()}", tmp_path_factory.mktemp("open")
    with running_dashboard(folder, broker, "--auth", "none") as dashboard:
        visit = Visit(dashboard.url)
        assert visit.get("/api/devices").status == 200
        assert visit.get("/sign-in").location == "/"
        rebound = visit.ask("GET", "/api/devices", headers={"Host": "elsewhere.example"})
        assert rebound.status == 401
        assert "nobody signs in" in visit.get("/account").body
