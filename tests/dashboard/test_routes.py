"""Every route that there is, asked for by a stranger and by a viewer."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from edgeclip_dashboard.guard import OPEN_PATHS
from edgeclip_dashboard.pages.navigation import NAVIGATION, Entry, role_for
from support.brokers import free_port
from support.dashboards import Dashboard, running_dashboard
from support.routes import Route, all_routes
from support.sign_ins import Visit

LEAST = 25  # fewer, and the list would not be read any more


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    return all_routes(tmp_path_factory.mktemp("routes"))


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker) as running:
        yield running


def _filled(route: Route) -> str:
    """Return a path that leads to a route."""
    return re.sub(r"\{[^}]*\}", "1", route.path) or "/"


def test_no_route_but_the_open_ones_answers_a_stranger(
    routes: list[Route], dashboard: Dashboard
) -> None:
    assert len(routes) >= LEAST
    answered = set()
    for route in routes:
        for method in {*route.methods, "POST", "HEAD", "OPTIONS", "TRACE"}:
            answer = Visit(dashboard.url).ask(method, _filled(route))
            is_refused = answer.status == 401 or (
                answer.status == 303 and answer.location.startswith("/sign-in")
            )
            if not is_refused:
                answered.add(route.path)
    assert answered == OPEN_PATHS & answered
    assert "/healthz" in answered


def test_every_route_below_a_menu_entry_needs_its_role(
    routes: list[Route], dashboard: Dashboard
) -> None:
    visit = _as_viewer(dashboard)
    closed = [route for route in routes if role_for(_filled(route)) != "viewer"]
    assert {"/accounts", "/deeds"} <= {route.path for route in closed}
    for route in closed:
        assert visit.get(_filled(route)).status == 403, route.path


def _as_viewer(dashboard: Dashboard) -> Visit:
    """Return the first admin's session after the role has become another one in the database."""
    name, _, value = dashboard.cookie.partition("=")
    with closing(sqlite3.connect(dashboard.folder / "detections.sqlite")) as connection:
        connection.execute("UPDATE accounts SET role = 'viewer'")
        connection.commit()
    return Visit(dashboard.url, {name: value})


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/", "viewer"),
        ("/rules", "admin"),
        ("/rules/", "admin"),
        ("/rules/7", "admin"),
        ("/rules/open", "viewer"),
        ("/rulesets", "viewer"),
        ("/nothing", "viewer"),
    ],
)
def test_the_role_of_a_path_is_that_of_the_nearest_entry_above(path: str, role: str) -> None:
    entries = (
        Entry("/", "Live", "sensors"),
        Entry("/rules", "Rules", "rule", "admin"),
        Entry("/rules/open", "Open", "rule"),
    )
    assert role_for(path, entries) == role


def test_the_menu_leads_to_pages_that_are_there(routes: list[Route]) -> None:
    assert {entry.path for entry in NAVIGATION} <= {route.path for route in routes}


def test_every_answer_has_the_headers_that_hold_a_browser(
    routes: list[Route], dashboard: Dashboard
) -> None:
    for visit in (Visit(dashboard.url), _as_viewer(dashboard)):
        for route in routes:
            headers = visit.get(_filled(route)).headers
            assert headers["x-content-type-options"] == "nosniff", route.path
            assert headers["referrer-policy"] == "same-origin", route.path
            assert "frame-ancestors 'none'" in headers["content-security-policy"], route.path
            assert headers["access-control-allow-origin"] is None, route.path
