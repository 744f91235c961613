"""A pack is used or removed, never both; a removal that is interrupted loses nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from edgeclip.errors import DashboardError
from edgeclip_dashboard.cli import app
from edgeclip_dashboard.models_field import CommandRow
from support.shelves import Shelved, shelve

if TYPE_CHECKING:
    from dashboard.conftest import Desk

LONG_AGO = (1, 1)
KILLED_IN_A_REMOVAL = """
    import os, signal, sys
    from pathlib import Path
    from edgeclip_dashboard.field.deliveries import PackShelf
    shelf = PackShelf(Path(sys.argv[1]), 10_000_000)
    with shelf.alone_with(sys.argv[2]), shelf.taken_away(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def shelved(desk: Desk, tmp_path: Path, delivered: dict[str, Path]) -> Shelved:
    """A shelf with one pack, which came long ago."""
    found = shelve(desk, tmp_path, {"1.1.0": delivered["1.1.0"]})
    os.utime(found.shelf.path_of(found.packs["1.1.0"].sha256), LONG_AGO)
    return found


@pytest.fixture
def sha256(shelved: Shelved) -> str:
    return shelved.packs["1.1.0"].sha256


def _upload(shelved: Shelved, source: Path) -> None:
    place = shelved.shelf.place_for_upload()
    shutil.copyfile(source, place)
    shelved.shelf.take_in(place)


class NoDeedError(Exception):
    """What a removal ends with whose deed cannot be written down."""


def _remove_without_deed(shelved: Shelved, meanwhile: Callable[[], None]) -> None:
    """Fail where the deed of a removal would be written down, after something else has happened."""
    sha256 = shelved.packs["1.1.0"].sha256
    with shelved.shelf.alone_with(sha256), shelved.shelf.taken_away(sha256):
        meanwhile()
        raise NoDeedError


def _files(shelved: Shelved) -> list[str]:
    return sorted(path.name for path in shelved.shelf.path_of("x").parent.iterdir())


def test_a_pack_is_here_again_after_a_removal_that_was_killed_before_its_deed(
    shelved: Shelved, sha256: str
) -> None:
    folder = shelved.shelf.path_of("x").parent
    code = textwrap.dedent(KILLED_IN_A_REMOVAL)
    done = subprocess.run([sys.executable, "-c", code, str(folder), sha256], check=False)
    assert done.returncode == -signal.SIGKILL
    assert _files(shelved) == [f"{sha256}.removed"]
    shelved.shelf.place_for_upload().unlink()  # sweeps
    assert shelved.shelf.names() == [sha256]
    assert shelved.shelf.find(sha256) == shelved.packs["1.1.0"]
    shelved.remove("1.1.0")
    assert _files(shelved) == []


def test_an_upload_and_a_look_at_the_shelf_leave_a_removal_alone(
    shelved: Shelved, sha256: str
) -> None:
    shelf, seen = shelved.shelf, []

    def look() -> None:
        shelf.place_for_upload().unlink()
        seen.extend(shelf.names())

    with pytest.raises(NoDeedError):
        _remove_without_deed(shelved, look)
    assert seen == []
    assert shelf.find(sha256) == shelved.packs["1.1.0"]
    assert _files(shelved) == [f"{sha256}.zip"]


def test_what_went_wrong_is_told_also_where_the_file_is_gone(shelved: Shelved, sha256: str) -> None:
    aside = shelved.shelf.path_of(sha256).with_suffix(".removed")
    with pytest.raises(NoDeedError):
        _remove_without_deed(shelved, aside.unlink)


def test_a_pack_that_is_uploaded_during_its_removal_stays(
    shelved: Shelved, sha256: str, delivered: dict[str, Path]
) -> None:
    with shelved.shelf.alone_with(sha256), shelved.shelf.taken_away(sha256):
        _upload(shelved, delivered["1.1.0"])
    assert _files(shelved) == [f"{sha256}.zip"]
    assert shelved.shelf.find(sha256) == shelved.packs["1.1.0"]


def test_a_pack_that_is_uploaded_before_it_is_taken_away_stays_with_who_uses_it_since(
    shelved: Shelved, sha256: str, delivered: dict[str, Path]
) -> None:
    with shelved.shelf.alone_with(sha256):
        _upload(shelved, delivered["1.1.0"])
        shelved.send("1.1.0")
        with (
            pytest.raises(DashboardError, match="it was uploaded again just now, and stays"),
            shelved.shelf.taken_away(sha256),
        ):
            pass
    assert _files(shelved) == [f"{sha256}.zip"]
    assert shelved.shelf.find(sha256) == shelved.packs["1.1.0"]


def test_a_pack_that_is_uploaded_during_a_removal_that_fails_is_there_once(
    shelved: Shelved, sha256: str, delivered: dict[str, Path]
) -> None:
    with pytest.raises(NoDeedError):
        _remove_without_deed(shelved, lambda: _upload(shelved, delivered["1.1.0"]))
    assert _files(shelved) == [f"{sha256}.zip"]
    assert shelved.shelf.find(sha256) == shelved.packs["1.1.0"]


def test_what_somebody_else_named_like_a_removal_is_left_alone(shelved: Shelved) -> None:
    strange = shelved.shelf.path_of("notes").with_suffix(".removed")
    strange.write_text("mine")
    os.utime(strange, LONG_AGO)
    shelved.shelf.names()
    shelved.shelf.place_for_upload()
    assert strange.read_text() == "mine"


def test_nothing_is_sent_that_is_being_removed(shelved: Shelved, sha256: str) -> None:
    with shelved.shelf.alone_with(sha256):
        with pytest.raises(DashboardError, match="it is removed just now"):
            shelved.send("1.1.0")
        with (
            shelved.shelf.taken_away(sha256),
            pytest.raises(DashboardError, match="it is not here any more: upload it again"),
        ):
            shelved.send("1.1.0")
    with Session(shelved.desk.engine) as session:
        assert session.scalars(select(CommandRow)).all() == []


def test_nothing_is_sent_from_the_look_at_what_devices_need_to_the_end(shelved: Shelved) -> None:
    answers: list[str] = []

    def send_meanwhile(*told: object) -> None:
        if "FROM commands" in str(told[2]) and not answers:
            try:
                shelved.send("1.1.0")
            except DashboardError as error:
                answers.append(str(error))

    event.listen(shelved.desk.engine, "before_cursor_execute", send_meanwhile)
    shelved.remove("1.1.0")
    assert answers == ["it is removed just now"]
    assert not shelved.is_here("1.1.0")


def test_what_is_sent_or_taught_on_just_now_is_not_removed(
    shelved: Shelved, sha256: str, tmp_path: Path
) -> None:
    """By no command line beside the dashboard either, which has another process's lock."""
    store = ["--database", str(tmp_path / "d.sqlite"), "--packs", str(tmp_path / "packs")]
    remove = [sys.executable, "-m", "edgeclip_dashboard.cli", "pack", "remove", "leopard@1.1.0"]
    with shelved.shelf.in_use(sha256):
        with pytest.raises(DashboardError, match="it is in use just now"):
            shelved.remove("1.1.0")
        done = subprocess.run([*remove, *store], capture_output=True, text=True, check=False)
        shelved.send("1.1.0", "refused")  # others may use it at the same time
    assert done.returncode == DashboardError.exit_code
    assert "it is in use just now (taught on, sent, or removed)" in done.stderr
    assert shelved.is_here("1.1.0")
    assert shelved.deeds() == []
    assert "is removed" in CliRunner().invoke(app, [*remove[3:], *store]).output


def test_the_same_pack_uploaded_again_is_still_in_use(
    shelved: Shelved, sha256: str, delivered: dict[str, Path]
) -> None:
    with shelved.shelf.in_use(sha256):
        _upload(shelved, delivered["1.1.0"])
        with pytest.raises(DashboardError, match="it is in use just now"):
            shelved.remove("1.1.0")
    [kept] = shelved.shelf.kept()
    assert kept.written_at.timestamp() > LONG_AGO[1]  # it counts as new


def test_a_damaged_pack_is_made_whole_by_uploading_it_again(
    shelved: Shelved, sha256: str, delivered: dict[str, Path]
) -> None:
    shelved.shelf.path_of(sha256).write_bytes(b"PK")
    _upload(shelved, delivered["1.1.0"])
    assert shelved.shelf.find(sha256) == shelved.packs["1.1.0"]
