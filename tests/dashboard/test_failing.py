from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.brokers import free_port
from support.dashboards import Dashboard, running_dashboard
from support.sign_ins import Visit


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(folder, broker, "--auth", "none") as running:
        yield running


@pytest.mark.parametrize(
    ("path", "told"),
    [
        pytest.param("/nowhere", "There is no page at this address", id="no page"),
        pytest.param("/devices/nobody", "No device of that name has ever spoken", id="no device"),
        pytest.param("/deployments/No!", "No deployment can have that id", id="no place"),
    ],
)
def test_an_address_where_nothing_is_says_so_and_leads_back(
    dashboard: Dashboard, path: str, told: str
) -> None:
    answer = Visit(dashboard.url).get(path)
    assert answer.status == 404
    assert told in answer.body
    assert 'href="/"' in answer.body
    assert "HTTPException" not in answer.body


def test_a_program_gets_json_where_nothing_is(dashboard: Dashboard) -> None:
    answer = Visit(dashboard.url).get("/api/v1/nowhere")
    assert (answer.status, answer.body) == (404, '{"detail":"no such path"}')


def test_a_page_that_cannot_be_built_says_so_without_what_is_inside(tmp_path: Path) -> None:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(tmp_path, broker, "--auth", "none") as running:
        with closing(sqlite3.connect(tmp_path / "detections.sqlite")) as damaged:
            damaged.execute("ALTER TABLE deployments RENAME TO gone")
        answer = Visit(running.url).get("/deployments")
    assert answer.status == 500
    assert "This page could not be built" in answer.body
    assert "sqlite" not in answer.body.lower()
    assert any("/deployments could not be answered" in line for line in running.errors)
