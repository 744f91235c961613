"""What becomes of the shelf while a class is taught, and after that failed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeclip.contract.signing import read_private_key
from edgeclip.errors import DashboardError, SetupError
from edgeclip_dashboard.config_teaching import TeachingSettings
from edgeclip_dashboard.field.deliveries import PackShelf
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.teaching.desk import Lesson, Taught, TeachingDesk
from edgeclip_device.rollout.delivery import wrap
from edgeclip_export.sign import sign_bundle
from support.deliveries import Team
from support.exported import picture_of, visit
from support.teaching_programs import teaching_by
from support.tiny_bundle import TinyPack, write_tiny_bundle

if TYPE_CHECKING:
    from dashboard.conftest import Desk

Teach = Callable[..., Taught]
# what stands for `edgeclip teach`: the pack below, a version on
_A_VERSION_ON = (
    "import json, shutil",
    "on, out = (sys.argv[sys.argv.index(o) + 1] for o in ('--on', '--out'))",
    "shutil.copytree(on, out)",
    "pack = json.load(open(out + '/pack.json'))",
    "pack['version'] = '1.9.0'",
    "json.dump(pack, open(out + '/pack.json', 'w'))",
    "print(json.dumps({'taught': {'said': 'gnu: taught'}, 'notes': ['UNVERIFIED']}))",
)


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

    def taught(*lines: str) -> Taught:
        settings = teaching_by(tmp_path / "program", *lines)
        key = read_private_key(tmp_path / "team/key")
        desks = TeachingDesk(desk.engine, desk.files, shelf, settings, key)
        lesson = Lesson((told.detection_id,), "gnu", desks.grounds()[0].key)
        return desks.teach(Identity("ada", "reviewer"), lesson)

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


def test_the_task_that_was_taught_is_named_with_its_new_version(
    teach: Teach, shelf: PackShelf, tmp_path: Path
) -> None:
    key = tmp_path / "team/key"
    bundle = write_tiny_bundle(
        tmp_path / "two", [TinyPack(task="leopard-a"), TinyPack("leopard-b")]
    )
    sign_bundle(bundle, key)
    place = shelf.place_for_upload()
    wrap(bundle, place, task="leopard-b")
    shelf.take_in(place)
    taught = teach(*_A_VERSION_ON)
    assert taught.pack == "leopard-b@1.9.0"
    assert taught.delivery.packs == ("leopard-b@1.9.0",)
    assert (taught.said, taught.notes) == ("gnu: taught", ("UNVERIFIED",))


def test_of_each_task_of_a_delivery_the_newest_can_be_built_on(
    desk: Desk, teach: Teach, shelf: PackShelf, tmp_path: Path
) -> None:
    teach(*_A_VERSION_ON)
    key = read_private_key(tmp_path / "team/key")
    grounds = TeachingDesk(desk.engine, desk.files, shelf, TeachingSettings(), key).grounds()
    assert sorted(ground.name for ground in grounds) == ["leopard@1.1.0", "leopard@1.9.0"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(
            "f'error: --name gnu: {on} knows Gnu already: sharpen it by `edgeclip train --on`'",
            "the pack knows Gnu already: what is special can be taught under a name of its own",
            id="a class that is known",
        ),
        pytest.param(
            "f'error: --images: {image} cannot be used, it is cut short: name another frame, or"
            " open it with an image program and save it as a JPEG'",
            "picture 1 cannot be used, it is cut short: choose another detection",
            id="a picture that cannot be used",
        ),
        pytest.param(
            "f'error: --on {on} (maple) pools patches: build on a pack of the head'",
            r"leopard@1\.1\.0 \(maple\) pools patches: build on a pack of the head",
            id="a pack that cannot be built on",
        ),
        pytest.param(
            "f'error: {out}.part cannot be written: free space'",
            "a file for this cannot be written: free space",
            id="a file of its own",
        ),
    ],
)
def test_what_the_program_refuses_is_said_in_words_of_the_page(
    teach: Teach, line: str, said: str
) -> None:
    options = "('--on', '--out', '--images')"
    with pytest.raises(DashboardError, match=f"^{said}") as told:
        teach(
            f"on, out, image = (sys.argv[sys.argv.index(o) + 1] for o in {options})",
            f"sys.exit({line})",
        )
    assert "edgeclip-teach-" not in str(told.value)
    assert "--" not in str(told.value)


def test_two_detections_with_one_picture_are_told_apart_from_two_pictures(
    desk: Desk, shelf: PackShelf, tmp_path: Path
) -> None:
    first, second = visit(60), visit(61)
    picture = picture_of(first, 60)
    twin = second.model_copy(update={"media": first.media})
    desk.commit(first, twin, picture)
    settings = teaching_by(tmp_path / "program", "sys.exit('error: it was started')")
    key = read_private_key(tmp_path / "team/key")
    desks = TeachingDesk(desk.engine, desk.files, shelf, settings, key)
    lesson = Lesson((first.detection_id, second.detection_id), "gnu", desks.grounds()[0].key)
    with pytest.raises(DashboardError, match="two of the chosen detections have the same picture"):
        desks.teach(Identity("ada", "reviewer"), lesson)


def test_a_wrong_path_of_the_table_is_said_before_anything_is_taught(
    desk: Desk, shelf: PackShelf, tmp_path: Path
) -> None:
    key = read_private_key(tmp_path / "team/key")
    write_tiny_bundle(tmp_path / "right")
    write_tiny_bundle(tmp_path / "baked", baked=True)
    (tmp_path / "empty").mkdir()
    for settings, said in (
        (TeachingSettings(bundle=tmp_path / "none"), "there is no folder .*none: check the path"),
        (TeachingSettings(bundle=tmp_path / "empty"), "empty holds no readable manifest.json"),
        (TeachingSettings(bundle=tmp_path / "baked"), "baked has its pack baked in"),
        (TeachingSettings(program=tmp_path / "none"), "none is no program: check the path"),
    ):
        desks = TeachingDesk(desk.engine, desk.files, shelf, settings, key)
        assert re.search(rf"Nothing can be taught now\. \[teaching\].*{said}", str(desks.problem()))
        with pytest.raises(SetupError, match=said):
            desks.teach(Identity("ada", "reviewer"), Lesson(("x",), "gnu", "none"))
    right = TeachingSettings(bundle=tmp_path / "right", program=Path(sys.executable))
    assert TeachingDesk(desk.engine, desk.files, shelf, right, key).problem() is None
