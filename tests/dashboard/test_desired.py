"""What a device shall have beside what it says to have: standing, since when, why, last error."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from edgeclip.contract.reports import Status
from edgeclip_dashboard.field.deliveries import PackShelf
from edgeclip_dashboard.field.desired import DesiredView, Matter, read_desired
from edgeclip_dashboard.field.reports import read_reports
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.messages import InfoMessage, StatusMessage
from edgeclip_dashboard.messages_field import AlarmMessage
from support.reports_of_a_device import DEVICE, alarm, info
from support.samples import AT
from support.shelves import ADMIN, Shelved, shelve

if TYPE_CHECKING:
    from dashboard.conftest import Desk

SHA = "ab" * 32
THRESHOLDS = {"class_name": "leopard", "on": 0.7}


@pytest.fixture
def shelved(desk: Desk, tmp_path: Path, delivered: dict[str, Path]) -> Shelved:
    """A device that runs 1.0.0 and is online."""
    found = shelve(desk, tmp_path, delivered)
    _report(found, "leopard@1.0.0")
    desk.commit(StatusMessage(DEVICE, Status(state="online", since=AT, bdseq=1)))
    return found


def _report(shelved: Shelved, pack: str, sha256: str | None = None) -> None:
    shelved.desk.commit(InfoMessage(info(pack=pack, desired_sha256=sha256)))


def _views(shelved: Shelved, now: datetime | None = None) -> tuple[DesiredView, ...]:
    engine = shelved.desk.engine
    with Session(engine) as session:
        reports = read_reports(session, Ledger.from_database(engine))
        now = now or datetime.now(timezone.utc)
        return read_desired(session, reports, shelved.shelf.packs_of, now)


def _pack(shelved: Shelved, now: datetime | None = None) -> Matter:
    return _views(shelved, now)[0].pack


def _settings(shelved: Shelved, now: datetime | None = None) -> Matter:
    return _views(shelved, now)[0].settings


def test_what_nobody_sent_from_here_is_only_reported(shelved: Shelved) -> None:
    [view] = _views(shelved)
    assert view.pack == Matter("", "leopard@1.0.0", "not set from here", AT, "", "")
    assert view.settings == Matter("", "", "not set from here", None, "", "")
    assert view.last_failure is None


def test_a_pack_is_on_its_way_until_the_device_has_it(shelved: Shelved) -> None:
    command_id = shelved.send("1.1.0")
    found = _pack(shelved)
    assert (found.wanted, found.reported) == ("leopard@1.1.0", "leopard@1.0.0")
    assert (found.standing, found.why, found.by) == ("on its way", "no answer yet", "ana")
    size = shelved.packs["1.1.0"].size_bytes
    shelved.answer(command_id, "receiving", received=size // 2)
    assert _pack(shelved).why in ("receiving, 49 %", "receiving, 50 %")


def test_a_device_that_is_away_is_why_it_waits(shelved: Shelved) -> None:
    shelved.send("1.1.0")
    shelved.desk.commit(StatusMessage(DEVICE, Status(state="offline", since=None, bdseq=1)))
    assert _pack(shelved).why == "no answer yet; the device is offline"


def test_a_pack_in_shadow_differs_since_it_was_sent_until_it_decides(shelved: Shelved) -> None:
    shelved.send("1.1.0", "done", packs="leopard@1.1.0", stage="shadow")
    found = _pack(shelved)
    assert found.standing == "differs"
    assert found.why.startswith("taken, and runs beside the pack that decides")
    assert found.since is not None
    assert datetime.now(timezone.utc) - found.since < timedelta(minutes=5)
    _report(shelved, "leopard@1.1.0")
    assert _pack(shelved) == Matter("leopard@1.1.0", "leopard@1.1.0", "as desired", AT, "", "ana")


def test_a_refusal_is_why_and_the_last_error(shelved: Shelved) -> None:
    shelved.send("1.1.0", "refused", reason="key 00ff is not known here")
    [view] = _views(shelved)
    assert view.standing == view.pack.standing == "differs"
    assert view.pack.why == "refused: key 00ff is not known here"
    assert view.last_failure is not None
    assert view.last_failure.text == "pack add refused: key 00ff is not known here"


def test_a_rejected_pack_says_what_its_shadow_run_showed(shelved: Shelved) -> None:
    shelved.send("1.1.0", "done")
    said = "it agreed on 12 of 30 frames"
    shelved.desk.commit(AlarmMessage(DEVICE, "pack_rejected", alarm("pack_rejected", AT, said)))
    [view] = _views(shelved)
    assert view.pack.why == f"pack rejected: {said}"
    assert view.last_failure is not None
    assert not view.last_failure.is_over
    shelved.desk.commit(AlarmMessage(DEVICE, "pack_rejected", None))
    [view] = _views(shelved)
    assert view.last_failure is not None
    assert (view.last_failure.text, view.last_failure.is_over) == (f"pack rejected: {said}", True)


def test_a_device_that_never_answers_differs(shelved: Shelved) -> None:
    shelved.send("1.1.0")
    found = _pack(shelved, datetime.now(timezone.utc) + timedelta(days=8))
    assert (found.standing, found.why) == ("differs", "never answered")


def test_what_was_taken_back_is_wished_no_more(shelved: Shelved) -> None:
    shelved.send("1.1.0", "done")
    shelved.ask("pack_rollback", "done")
    found = _pack(shelved)
    assert (found.wanted, found.standing) == ("", "not set from here")
    assert found.why == "taken back by ana"


def test_a_pack_that_lies_here_no_more_is_named_by_the_device(shelved: Shelved) -> None:
    shelved.send("1.1.0", "done", packs="boar@2.0.0 + leopard@1.1.0")
    shelved.shelf.path_of(shelved.packs["1.1.0"].sha256).unlink()
    fresh = PackShelf(shelved.shelf.path_of("x").parent, 1)
    with Session(shelved.desk.engine) as session:
        reports = read_reports(session, Ledger.from_database(shelved.desk.engine))
        now = datetime.now(timezone.utc)
        [view] = read_desired(session, reports, fresh.packs_of, now)
    assert view.pack.wanted == "boar@2.0.0, leopard@1.1.0"
    assert view.pack.standing == "differs"


def test_thresholds_are_compared_by_the_state_that_the_device_tells(shelved: Shelved) -> None:
    command_id = shelved.ask("thresholds", args=THRESHOLDS)
    found = _settings(shelved)
    assert (found.wanted, found.standing) == (
        "thresholds class_name leopard, on 0.7",
        "on its way",
    )
    shelved.answer(command_id, "done", sha256=SHA)
    assert _settings(shelved).why == "it runs with the settings of its device.toml alone"
    _report(shelved, "leopard@1.0.0", SHA)
    found = _settings(shelved)
    assert (found.standing, found.reported) == ("as desired", SHA[:12])
    _report(shelved, "leopard@1.0.0", "cd" * 32)
    found = _settings(shelved)
    assert found.standing == "differs"
    assert found.why.startswith("it runs with another state, set since by others")


def test_thresholds_that_were_refused_say_why(shelved: Shelved) -> None:
    shelved.ask("thresholds", "failed", args=THRESHOLDS, reason="on is not within 0.1 to 0.9")
    [view] = _views(shelved)
    assert view.settings.why == "failed: on is not within 0.1 to 0.9"
    assert view.last_failure is not None
    assert view.last_failure.text.startswith("thresholds failed: ")


def test_a_state_that_others_set_is_told_by_its_hash(shelved: Shelved) -> None:
    _report(shelved, "leopard@1.0.0", SHA)
    assert _settings(shelved) == Matter("", SHA[:12], "not set from here", None, "", "")


def test_those_that_differ_come_first(shelved: Shelved) -> None:
    for name, pack in (("alpha", "leopard@1.1.0"), ("beta", "leopard@1.0.0")):
        shelved.desk.commit(InfoMessage(info(device_id=name, pack=pack)))
        shelved.sending.send(ADMIN, name, shelved.packs["1.1.0"])
    shelved.send("1.1.0", "refused")
    found = [(view.report.device_id, view.standing) for view in _views(shelved)]
    assert found == [(DEVICE, "differs"), ("alpha", "on its way"), ("beta", "on its way")]
