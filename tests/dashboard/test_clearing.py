"""Packs of the shelf: which of them devices need, and taking the others away, file and all."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from edgeclip.errors import DashboardError
from edgeclip_dashboard.cli import app
from edgeclip_dashboard.field.clearing import remove_pack
from edgeclip_dashboard.field.wishes import tells_of
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.messages import InfoMessage
from support.reports_of_a_device import DEVICE, info
from support.shelves import ADMIN, Shelved, shelve

if TYPE_CHECKING:
    from dashboard.conftest import Desk


@pytest.fixture
def shelved(desk: Desk, tmp_path: Path, delivered: dict[str, Path]) -> Shelved:
    return shelve(desk, tmp_path, delivered)


def test_what_no_device_needs_can_be_removed_and_that_is_a_deed(shelved: Shelved) -> None:
    assert shelved.reasons() == ("", "")
    shelved.remove("1.1.0")
    assert not shelved.is_here("1.1.0")
    assert list(shelved.found()) == ["1.2.0"]
    [(who, _, subject)] = shelved.deeds()
    assert who == "ana"
    assert subject.startswith("leopard@1.1.0, ")
    assert subject.endswith(shelved.packs["1.1.0"].sha256[:12])
    assert sorted(path.suffix for path in shelved.shelf.path_of("x").parent.iterdir()) == [".zip"]


def test_a_pack_on_its_way_or_taken_is_the_desired_state(shelved: Shelved) -> None:
    shelved.send("1.1.0")
    assert shelved.reasons() == (f"desired state of {DEVICE}", "")
    shelved.send("1.1.0", "done", packs="leopard@1.1.0")
    assert shelved.reasons() == (f"desired state of {DEVICE}", "")
    with pytest.raises(DashboardError, match=f"leopard@1.1.0 stays: desired state of {DEVICE}"):
        shelved.remove("1.1.0")
    assert shelved.is_here("1.1.0")
    assert shelved.deeds() == []


def test_the_next_pack_takes_its_place_only_when_the_device_takes_it(shelved: Shelved) -> None:
    shelved.send("1.1.0", "done")
    shelved.send("1.2.0", "receiving", received=10)
    both = f"desired state of {DEVICE}"
    assert shelved.reasons() == (both, both)
    shelved.send("1.2.0", "failed")
    assert shelved.reasons() == (both, "")
    shelved.send("1.2.0", "done")
    assert shelved.reasons() == ("", both)


def test_what_was_never_answered_or_taken_back_is_wished_no_more(shelved: Shelved) -> None:
    shelved.send("1.1.0")
    assert shelved.reasons(datetime.now(timezone.utc) + timedelta(days=8)) == ("", "")
    shelved.send("1.2.0", "done")
    back = shelved.ask("pack_rollback")
    assert shelved.reasons()[1] == f"desired state of {DEVICE}"
    shelved.answer(back, "done")
    assert shelved.reasons() == ("", "")


def test_what_was_taken_back_is_wished_no_more_when_the_next_one_is_refused(
    shelved: Shelved,
) -> None:
    shelved.send("1.1.0", "done")
    shelved.ask("pack_rollback", "done")
    shelved.send("1.2.0", "refused")
    assert shelved.reasons() == ("", "")


def test_what_a_device_reports_as_running_stays(shelved: Shelved) -> None:
    shelved.desk.commit(InfoMessage(info(pack="leopard@1.2.0")))
    assert shelved.reasons() == ("", f"runs on {DEVICE}")
    with pytest.raises(DashboardError, match=f"stays: runs on {DEVICE}"):
        shelved.remove("1.2.0")
    assert shelved.is_here("1.2.0")


def test_packs_that_decide_together_are_each_running() -> None:
    told = "boar@1.0.0 + leopard@1.2.0 + " + "a-very-long-name-of-a-task@1.0.0"[:33] + "…"
    assert tells_of(told, "boar@1.0.0")
    assert tells_of(told, "a-very-long-name-of-a-task@1.0.0")
    assert not tells_of(told, "leopard@1.2.01")
    assert not tells_of(None, "leopard@1.2.0")


def test_only_admins_remove_packs(shelved: Shelved) -> None:
    with pytest.raises(DashboardError, match="the role reviewer is not enough"):
        shelved.remove("1.1.0", Identity("ben", "reviewer"))
    assert shelved.is_here("1.1.0")


def test_a_pack_is_still_here_if_the_deed_cannot_be_written_down(shelved: Shelved) -> None:
    with Session(shelved.desk.engine) as session, session.begin():
        session.execute(text("DROP TABLE deeds"))
    with pytest.raises(SQLAlchemyError):
        shelved.remove("1.1.0")
    assert shelved.is_here("1.1.0")


def test_what_is_gone_is_told(shelved: Shelved) -> None:
    shelved.remove("1.1.0")
    with pytest.raises(DashboardError, match="it is not here any more"):
        shelved.remove("1.1.0")


def test_a_damaged_file_can_be_removed(shelved: Shelved) -> None:
    path = shelved.shelf.path_of("ab" * 32)
    path.write_bytes(b"PK")
    remove_pack(shelved.desk.engine, shelved.shelf, ADMIN, "ab" * 32, datetime.now(timezone.utc))
    assert not path.exists()
    assert "a damaged file, abababababab" in shelved.deeds()[0][2]


def test_what_a_power_cut_left_of_an_upload_goes_with_the_next(shelved: Shelved) -> None:
    folder = shelved.shelf.path_of("x").parent
    old, new = folder / "old.part", folder / "new.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    shelved.shelf.place_for_upload()
    assert not old.exists()
    assert new.exists()


def _run(tmp_path: Path, *arguments: str) -> str:
    store = ["--database", str(tmp_path / "d.sqlite"), "--packs", str(tmp_path / "packs")]
    return CliRunner().invoke(app, ["pack", *arguments, *store], catch_exceptions=False).output


def test_the_command_lists_and_removes(shelved: Shelved, tmp_path: Path) -> None:
    shelved.send("1.2.0", "done")
    lines = _run(tmp_path, "list").splitlines()
    assert lines[0].split() == ["sha256", "packs", "size", "came", "stays"]
    told = {line.split()[1]: line for line in lines[1:]}
    assert told["leopard@1.1.0"].endswith("no device needs it")
    assert told["leopard@1.2.0"].endswith(f"desired state of {DEVICE}")
    listed = json.loads(_run(tmp_path, "list", "--json"))
    assert {one["sha256"] for one in listed} == {pack.sha256 for pack in shelved.packs.values()}
    assert "leopard@1.1.0 is removed: " in _run(tmp_path, "remove", "leopard@1.1.0")
    assert shelved.deeds()[0][0] == "command line"
    with pytest.raises(DashboardError, match=r"leopard@1\.2\.0 stays"):
        _run(tmp_path, "remove", shelved.packs["1.2.0"].sha256[:12])


@pytest.mark.parametrize("named", ["leopard@9.0.0", "zz", "abc", "../d.sqlite", ""])
def test_a_name_of_none_is_told(shelved: Shelved, tmp_path: Path, named: str) -> None:
    with pytest.raises(DashboardError, match="no pack here is"):
        _run(tmp_path, "remove", named)
    assert shelved.is_here("1.1.0")


def test_a_name_of_two_asks_for_the_hash(shelved: Shelved, tmp_path: Path) -> None:
    original = shelved.shelf.path_of(shelved.packs["1.1.0"].sha256)
    shutil.copyfile(original, original.with_name(f"{'cd' * 32}.zip"))
    with pytest.raises(DashboardError, match=r"several packs here are leopard@1\.1\.0"):
        _run(tmp_path, "remove", "leopard@1.1.0")
