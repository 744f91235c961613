"""The newest command to each device is found in an index, however many there are."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import ColumnElement, Engine, insert, text
from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip_dashboard.field.wishes import newest_asked, newest_of
from edgeclip_dashboard.models_field import CommandRow

OF_A_KIND = CommandRow.name == "pack_add"
CONDITIONS = [OF_A_KIND, OF_A_KIND & (CommandRow.state == "done")]
INDEX = "newest_commands"


@pytest.fixture
def engine(either_engine: Engine) -> Engine:
    """Of 2,000 commands to ten devices, 200 of them of a kind."""
    with either_engine.begin() as connection:
        connection.execute(insert(CommandRow), [_command(number) for number in range(2000)])
    return either_engine


def _command(number: int) -> dict[str, object]:
    """Every tenth hundred is of the kind; of each device the last one was refused."""
    return {
        "command_id": f"{number:036}", "device_id": f"jetson-{number % 10}",
        "name": "pack_add" if number % 1000 < 100 else "thresholds",
        "args": "{}", "account_name": "ana", "issued_at": NOW, "not_after": NOW,
        "dashboard_id": "dashboard", "key_id": "k", "counter": number,
        "state": "refused" if 1090 <= number < 1100 else "done",
        "reason": "", "data": "{}", "replied_at": None,
    }  # fmt: skip


@pytest.mark.parametrize(("condition", "first"), [(CONDITIONS[0], 1090), (CONDITIONS[1], 1080)])
def test_the_newest_of_each_device_is_found(
    engine: Engine, condition: ColumnElement[bool], first: int
) -> None:
    with Session(engine) as session:
        found = newest_asked(session, condition)
    expected = {f"jetson-{number}": f"{first + number:036}" for number in range(10)}
    assert {device: view.command_id for device, view in found.items()} == expected


@pytest.mark.parametrize("condition", CONDITIONS)
def test_only_the_index_is_read_for_it(engine: Engine, condition: ColumnElement[bool]) -> None:
    query = str(newest_of(condition).compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).all()
            plan = "\n".join(row.detail for row in rows)
            assert f"SEARCH commands USING COVERING INDEX {INDEX} (name=?" in plan
            assert "SCAN commands" not in plan
        else:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # a table of a few pages
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))
            plan = "\n".join(connection.execute(text(f"EXPLAIN {query}")).scalars())
            assert re.search(rf"Index Only Scan using {INDEX} .*\n +Index Cond: \(+name\b", plan)
