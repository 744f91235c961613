"""What becomes of the shelf while a class is taught, and after that failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeclip.contract.signing import read_private_key
from edgeclip.errors import DashboardError
from edgeclip_dashboard.field.deliveries import PackShelf
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.teaching.desk import Lesson, TeachingDesk
from support.deliveries import Team
from support.exported import picture_of, visit
from support.teaching_programs import teaching_by
from support.tiny_bundle import TinyPack

if TYPE_CHECKING:
    from dashboard.conftest import Desk

Teach = Callable[..., None]


@pytest.fixture
def shelf(tmp_path: Path) -> PackShelf:
    """A shelf with one pack that can be taught on."""
    found = PackShelf(tmp_path / "shelf", 10_000_000)
    place = found.place_for_upload()
    place.write_bytes(Team(tmp_path / "team").delivery("1.1.0", TinyPack()).read_bytes())
    found.take_in(place)
    return found


@pytest.fixture
def teach(desk: Desk, shelf: PackShelf, tmp_path: Path) -> Teach:
    """Teaches a class on the pack, by a program of the given lines."""
    told = visit(60)
    desk.commit(told, picture_of(told, 60))

    def taught(*lines: str) -> None:
        settings = teaching_by(tmp_path / "program", *lines)
        key = read_private_key(tmp_path / "team/key")
        desks = TeachingDesk(desk.engine, desk.files, shelf, settings, key)
        lesson = Lesson((told.detection_id,), "gnu", desks.grounds()[0].key)
        desks.teach(Identity("ada", "reviewer"), lesson)

    return taught


def test_what_the_program_refuses_leaves_nothing_on_the_shelf(
    teach: Teach, shelf: PackShelf, tmp_path: Path
) -> None:
    with pytest.raises(DashboardError, match="too alike"):
        teach("sys.exit('error: --name gnu: too alike')")
    assert len(shelf.names()) == 1
    assert [p.suffix for p in (tmp_path / "shelf").iterdir()] == [".zip"]


def test_the_pack_that_is_taught_on_is_not_removed_meanwhile(
    teach: Teach, shelf: PackShelf, tmp_path: Path
) -> None:
    [sha256] = shelf.names()
    remove = ["-m", "edgeclip_dashboard.cli", "pack", "remove", sha256]
    remove += ["--database", str(tmp_path / "d.sqlite"), "--packs", str(tmp_path / "shelf")]
    with pytest.raises(DashboardError, match=r"told .*it is in use just now"):
        teach(
            "import subprocess",
            f"done = subprocess.run([sys.executable, *{remove}], capture_output=True, text=True)",
            "sys.exit('error: told ' + done.stderr.strip().replace(chr(10), ' '))",
        )
    assert shelf.names() == [sha256]
    with shelf.alone_with(sha256):  # it is free again
        pass
