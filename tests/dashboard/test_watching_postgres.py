"""What the pages for watching and review ask of the store, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from dashboard.conftest import NOW, Desk
from edgeclip_dashboard.activity import read_activity
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.detection_history import read_history
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.models import Device, Malformed
from edgeclip_dashboard.pages.choices import read_choices
from edgeclip_dashboard.pages.malformed import read_malformed
from edgeclip_dashboard.queries import read_detections
from edgeclip_dashboard.review import count_to_review, read_review_ids
from edgeclip_dashboard.sessions import Lifetimes
from edgeclip_dashboard.sign_in_desk import RefusedError, SignInDesk, Try
from edgeclip_dashboard.store import Store
from edgeclip_dashboard.surroundings import read_surroundings
from edgeclip_dashboard.verdicts import Said, give_verdict
from support.dashboards import sample
from support.postgres import Postgres
from support.samples import AT

pytestmark = pytest.mark.postgres

SURE, DOUBTFUL = 0.97, 0.62  # the threshold of a sample is 0.6
EVERY = DetectionFilter()


@pytest.fixture
def told(postgres: Postgres, tmp_path: Path) -> Iterator[tuple[Engine, list[str]]]:
    """A database with three detections, and their ids in the order in which they arrived."""
    with open_database(database_url(postgres.new_database()), project="demo") as engine:
        files = MediaFiles(tmp_path / "media", most_bytes=1_000_000)
        desk = Desk(engine, files, Store(engine, files))
        sent = [
            sample(seq=seq, probability=probability)
            for seq, probability in enumerate((SURE, DOUBTFUL, SURE), 1)
        ]
        for one in sent:
            desk.commit(one)
        yield engine, [one.detection_id for one in sent]


def test_a_verdict_is_given_counted_and_read(told: tuple[Engine, list[str]]) -> None:
    engine, ids = told
    anna = Identity("anna", "reviewer")
    with Session(engine) as session, session.begin():
        give_verdict(session, anna, ids[0], Said("other", "civet"), NOW)
        give_verdict(session, anna, ids[1], Said("wrong"), NOW)
    counted = read_activity(engine, EVERY, "species")
    assert {series.name: series.total for series in counted.series} == {"civet": 1, "leopard": 1}
    assert counted.series[0].by_hour[AT.hour] == 1
    history = read_history(engine, ids[0])
    assert history is not None
    assert (history.view.verdict, [one.class_name for one in history.verdicts]) == (
        "other", ["civet"],
    )  # fmt: skip
    assert list(read_choices(engine).species) == ["civet", "leopard"]


def test_the_doubtful_come_first_and_older_pages_follow(told: tuple[Engine, list[str]]) -> None:
    engine, ids = told
    with Session(engine) as session:
        assert read_review_ids(session, EVERY, 9)[0] == ids[1]
        assert count_to_review(session, EVERY) == 3
        older = read_detections(session, 9, EVERY, before=ids[2])
    assert [view.detection_id for view in older] == [ids[1], ids[0]]


def test_the_newest_battery_is_found(told: tuple[Engine, list[str]]) -> None:
    engine, _ = told
    with Session(engine) as session, session.begin():
        session.add(Device(device_id="a", battery_v=12.5))
    with Session(engine) as session:
        assert read_surroundings(session, ["a"]).batteries == {"a": 12.5}


def test_a_malformed_message_is_read_with_its_beginning(told: tuple[Engine, list[str]]) -> None:
    engine, _ = told
    with Session(engine) as session, session.begin():
        raw = Malformed(topic="t", reason="no JSON", payload=b"\xff<b>" * 100, received_at=NOW)
        session.add(raw)
    [view] = read_malformed(engine)
    assert (view.topic, view.reason, view.size_bytes) == ("t", "no JSON", 400)
    assert view.shown.startswith("\\xff<b>")
    assert view.shown.endswith(" ..")


def test_many_guesses_at_one_moment_by_many_instances_are_let_through_one_by_one(
    told: tuple[Engine, list[str]],
) -> None:
    engine, _ = told
    lifetimes = Lifetimes(timedelta(hours=1), timedelta(days=1))
    desks = [SignInDesk(engine, lifetimes, lambda: NOW) for _ in range(8)]
    tried = Try("admin", "a wrong password", "203.0.113.7")

    def guess(desk: SignInDesk) -> int:
        with pytest.raises(RefusedError) as refused:
            desk.sign_in(tried, None)
        return refused.value.wait_s

    with ThreadPoolExecutor(len(desks)) as pool:
        waits = list(pool.map(guess, desks))
    assert sum(wait_s == 0 for wait_s in waits) == 3  # as many as a person may mistype
