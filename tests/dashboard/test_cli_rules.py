from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from edgeclip.errors import DashboardError
from edgeclip_dashboard.cli import app
from edgeclip_dashboard.database import database_url, join_database, open_database
from edgeclip_dashboard.models_people import Deed
from support.brokers import free_port
from support.listeners import HttpListener, http_listener
from support.rules import add_rule


@pytest.fixture
def server() -> Iterator[HttpListener]:
    with http_listener() as listening:
        yield listening


@pytest.fixture
def options(tmp_path: Path, server: HttpListener) -> list[str]:
    database = str(tmp_path / "d.sqlite")
    with open_database(database_url(database), project="demo") as engine:
        add_rule(engine, channels=(server.channel("t0ken-t0ken"),), class_names=("leopard",))
        gone = f"json://127.0.0.1:{free_port()}/"
        add_rule(engine, name="broken", channels=(server.channel("x"), gone), is_enabled=False)
    return ["--project", "demo", "--database", database]


def test_rules_are_listed_without_what_is_secret(options: list[str]) -> None:
    listed = CliRunner().invoke(app, ["rule", "list", *options])
    assert listed.output.startswith("broken (off)\n")
    assert "leopards (on)\n  species: leopard\n  places: any\n" in listed.output
    assert "  tells: JSON (json://127.0.0.1/...)\n" in listed.output
    assert "t0ken" not in listed.output
    rows = json.loads(CliRunner().invoke(app, ["rule", "list", "--json", *options]).output)
    assert [row["name"] for row in rows] == ["broken", "leopards"]


def test_a_test_tells_all_channels_and_is_noted(options: list[str], server: HttpListener) -> None:
    tested = CliRunner().invoke(app, ["rule", "test", "leopards", *options])
    assert tested.output == "JSON (json://127.0.0.1/...): took it\n"
    assert server.titles() == ["Test of the rule leopards"]
    with (
        join_database(database_url(options[-1]), project="demo") as engine,
        Session(engine) as session,
    ):
        [deed] = session.scalars(select(Deed))
    told = (deed.account_name, deed.deed, deed.subject)
    assert told == ("command line", "rule tested", "leopards")


def test_a_channel_that_takes_nothing_is_an_error(options: list[str]) -> None:
    tested = CliRunner().invoke(app, ["rule", "test", "broken", *options])
    assert isinstance(tested.exception, DashboardError)
    assert tested.exception.exit_code == 4
    assert "1 of 2 channels did not take the test" in str(tested.exception)
    assert "Connection error" in tested.output


def test_a_name_that_is_not_known_is_told_with_those_that_are(options: list[str]) -> None:
    tested = CliRunner().invoke(app, ["rule", "test", "lions", *options])
    assert "no rule is called 'lions': there are broken, leopards" in str(tested.exception)


def test_that_there_is_no_rule_is_said(tmp_path: Path) -> None:
    database = str(tmp_path / "d.sqlite")
    with open_database(database_url(database), project="demo"):
        pass
    options = ["--project", "demo", "--database", database]
    listed = CliRunner().invoke(app, ["rule", "list", *options])
    assert listed.output == "none yet: nobody is told of anything\n"
    assert json.loads(CliRunner().invoke(app, ["rule", "list", "--json", *options]).output) == []
