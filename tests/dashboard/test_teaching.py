"""What the dashboard teaches from, the program that it runs, and the delivery that comes out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from sqlalchemy.orm import Session

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.pack import PACK_FILE, PackClass, read_pack_manifest
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.signing import read_private_key
from edgeclip.errors import DashboardError, SetupError
from edgeclip_dashboard.config_teaching import TeachingSettings
from edgeclip_dashboard.field.carried import packs_to_build_on
from edgeclip_dashboard.field.deliveries import PackShelf
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.teaching.delivering import unpack, write_delivery
from edgeclip_dashboard.teaching.desk import Lesson, TeachingDesk
from edgeclip_dashboard.teaching.running import run_teaching
from edgeclip_dashboard.teaching.snapshots import chosen_snapshots, other_snapshots
from edgeclip_device.rollout.delivery import believer, unwrap
from support.altered_bundles import change_json
from support.dashboards import fresh_id
from support.deliveries import Team
from support.exported import fill, say, visit
from support.samples import hashed
from support.teaching_programs import teaching_by

if TYPE_CHECKING:
    from dashboard.conftest import Desk

AT = datetime(2026, 6, 1, tzinfo=timezone.utc)
ADA = Identity("ada", "reviewer")
Program = Callable[..., TeachingSettings]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes settings whose program is a few lines of Python."""
    return partial(teaching_by, tmp_path / "program")


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "team")


def test_what_the_program_answers_is_read_and_it_gets_no_secret(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECLIP_DASHBOARD_MQTT_PASSWORD", "hush")
    settings = program(
        "import json",
        "secret = [k for k in os.environ if k.startswith('EDGECLIP_DASHBOARD_')]",
        "print(json.dumps({'argv': sys.argv[1:], 'secret': secret}))",
    )
    said = run_teaching(settings, ["--name=x"])
    assert said == {"argv": ["teach", "--json", "--name=x"], "secret": []}


def test_a_bundle_is_named_to_the_program_and_goes_with_no_other_encoder(
    program: Program,
) -> None:
    answers = program("import json", "print(json.dumps({'argv': sys.argv[1:]}))")
    settings = answers.model_copy(update={"bundle": Path("leopard.bundle")})
    assert run_teaching(settings, [])["argv"] == ["teach", "--json", "--bundle", "leopard.bundle"]
    with pytest.raises(ValidationError, match="a bundle has its encoder"):
        TeachingSettings(bundle=Path("leopard.bundle"), backbone="demo")


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("sys.exit('error: no such image')", DashboardError, "no such image"),
        ("sys.exit(\"ModuleNotFoundError: No module named 'torch'\")", SetupError, "pip install"),
        ("print('hello')", SetupError, r"\[teaching\].program names does not answer"),
        ("print('[1]')", SetupError, "answered something else"),
        ("sys.exit(3)", DashboardError, "said nothing"),
        ("print('x' * 10_000_000)", SetupError, "does not answer"),
    ],
)
def test_a_program_that_fails_is_told_in_one_line(
    program: Program, line: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        run_teaching(program(line), [])


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(
    program: Program, tmp_path: Path
) -> None:
    settings = program(
        "import subprocess",
        "child = subprocess.Popen(['sleep', '600'])",
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))",
        "time.sleep(600)",
        longest_s=2.0,
    )
    with pytest.raises(DashboardError, match=r"not done after 2 s .* see \[teaching\].longest_s"):
        run_teaching(settings, [])
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot be started .* check \[teaching\].program"):
        run_teaching(TeachingSettings(program=tmp_path / "none"), [])


def test_the_best_picture_of_each_chosen_detection_teaches_with_its_box(desk: Desk) -> None:
    stored = fill(desk)
    ids = [stored[name].detection_id for name in ("told", "right")]
    with Session(desk.engine) as session:
        found = chosen_snapshots(session, desk.files, [*ids, ids[0]])
    assert [snapshot.path.stem for snapshot in found] == [
        stored[name].media[0].sha256 for name in ("told", "right")
    ]
    gate = stored["told"].gate
    assert gate is not None
    assert found[0].box in gate.boxes


def test_pictures_of_people_teach_nothing_whoever_asks(desk: Desk) -> None:
    stored = fill(desk)
    say(desk, stored["told"], "other", "poacher")
    with Session(desk.engine) as session:
        for name in ("person", "told"):
            with pytest.raises(DashboardError, match="one that shows people"):
                chosen_snapshots(session, desk.files, [stored[name].detection_id])
        others = other_snapshots(session, desk.files, "elephant", ())
    taken = {snapshot.path.stem for snapshot in others}
    assert taken == {stored[name].media[0].sha256 for name in ("right", "other")}


def test_what_people_judged_to_be_the_class_is_not_among_the_others(desk: Desk) -> None:
    stored = fill(desk)
    with Session(desk.engine) as session:
        others = other_snapshots(session, desk.files, "Hyena", [stored["right"].detection_id])
    assert others == []


@pytest.mark.parametrize("count", [0, 6])
def test_none_and_more_than_five_are_refused(desk: Desk, count: int) -> None:
    with Session(desk.engine) as session, pytest.raises(DashboardError, match="choose 1 to 5"):
        chosen_snapshots(session, desk.files, [fresh_id() for _ in range(count)])


def test_what_is_gone_or_has_no_picture_is_refused(desk: Desk) -> None:
    bare = visit(50)
    desk.commit(bare)
    with Session(desk.engine) as session:
        with pytest.raises(DashboardError, match="not stored any more"):
            chosen_snapshots(session, desk.files, [fresh_id()])
        with pytest.raises(DashboardError, match="has no picture here"):
            chosen_snapshots(session, desk.files, [bare.detection_id])


def _taught(team: Team, below: Path, folder: Path, version: str = "1.9.0") -> Path:
    """Return a pack's folder that stands for a taught one: that of the delivery, further on."""
    [reference] = packs_to_build_on(below)
    pack = unpack(below, reference, folder)
    change_json(pack / PACK_FILE, version=version)
    del team
    return pack


def _narrow(manifest: dict[str, Any]) -> None:
    """Let a bundle say how many columns it has room for."""
    manifest["profiles"]["K"] = {"min": 1, "opt": 8, "max": 64}


def _give_keys(manifest: dict[str, Any]) -> None:
    manifest["packs"][0]["static"] = {"light": "infrared"}


def _altered(delivery: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a delivery with a change of its manifest."""
    with zipfile.ZipFile(delivery) as source, zipfile.ZipFile(target, "w") as file:
        for name in source.namelist():
            data = source.read(name)
            if name == MANIFEST_FILE:
                manifest = json.loads(data)
                change(manifest)
                data = json.dumps(manifest).encode()
            file.writestr(name, data)
    return target


def test_a_delivery_with_a_taught_pack_is_taken_by_a_device(team: Team, tmp_path: Path) -> None:
    below, key = team.delivery("1.1.0"), read_private_key(team.folder / "key")
    pack = _taught(team, below, tmp_path / "pack")
    write_delivery(below, pack, tmp_path / "new.zip", key, AT)
    base = team.folder / "1.1.0"
    manifest = unwrap(tmp_path / "new.zip", tmp_path / "new", base, believer([team.public]))
    assert [ref.version for ref in manifest.packs] == ["1.9.0", "1.1.0"]
    assert packs_to_build_on(tmp_path / "new.zip") == (manifest.packs[0],)


def test_a_taught_pack_is_for_the_images_that_the_one_before_it_was_for(
    team: Team, tmp_path: Path
) -> None:
    keyed = _altered(team.delivery("1.1.0"), tmp_path / "keyed.zip", _give_keys)
    pack = _taught(team, keyed, tmp_path / "pack")
    write_delivery(keyed, pack, tmp_path / "new.zip", read_private_key(team.folder / "key"), AT)
    [taught] = packs_to_build_on(tmp_path / "new.zip")
    assert (taught.version, taught.static) == ("1.9.0", {"light": "infrared"})


def test_a_pack_that_does_not_go_with_the_delivery_is_refused(team: Team, tmp_path: Path) -> None:
    below, key = team.delivery("1.1.0"), read_private_key(team.folder / "key")
    [reference] = packs_to_build_on(below)
    same = unpack(below, reference, tmp_path / "same")
    with pytest.raises(DashboardError, match=r"holds leopard@1\.1\.0 already"):
        write_delivery(below, same, tmp_path / "new.zip", key, AT)
    wide = _taught(team, below, tmp_path / "wide")
    manifest = read_pack_manifest(wide)
    one = PackClass(name="c", observation_type="animal", prompts=["x"])
    many = [one.model_copy(update={"name": f"c{n}"}) for n in range(70)]
    update = {
        "classes": many,
        "column_class": list(range(70)),
        "thresholds": {"c0": manifest.thresholds["leopard"]},
    }
    (wide / PACK_FILE).write_text(hashed(manifest.model_copy(update=update)).to_json())
    narrow = _altered(below, tmp_path / "narrow.zip", _narrow)
    with pytest.raises(DashboardError, match="has room for 64 columns, the taught pack has 70"):
        write_delivery(narrow, wide, tmp_path / "new.zip", key, AT)


def test_a_damaged_delivery_is_told_and_hides_no_other(
    team: Team, desk: Desk, tmp_path: Path
) -> None:
    shelf = PackShelf(tmp_path / "shelf", 10_000_000)
    place = shelf.place_for_upload()
    place.write_bytes(team.delivery("1.1.0").read_bytes())
    kept = shelf.take_in(place)
    shelf.path_of("f" * 64).write_bytes(b"PK half a file")
    (tmp_path / "shelf/notes.zip").write_bytes(b"x")
    with zipfile.ZipFile(shelf.path_of("e" * 64), "w") as file:
        file.writestr(MANIFEST_FILE, "{}")
    key = read_private_key(team.folder / "key")
    desks = TeachingDesk(desk.engine, desk.files, shelf, TeachingSettings(), key)
    assert [ground.delivery for ground in desks.grounds()] == [kept.sha256]
    assert desks.grounds()[0].name == "leopard@1.1.0"
    with pytest.raises(DashboardError, match="choose a pack to build on"):
        desks.teach(ADA, Lesson((fresh_id(),), "gnu", "none"))
    with pytest.raises(DashboardError, match="cannot be read"):
        unpack(
            shelf.path_of("f" * 64), PackRef(task="a", version="1.0.0", path="p"), tmp_path / "u"
        )


def test_without_a_key_it_says_what_to_do(desk: Desk, tmp_path: Path) -> None:
    shelf = PackShelf(tmp_path / "shelf", 10_000_000)
    bare = TeachingDesk(desk.engine, desk.files, shelf, TeachingSettings(), None)
    assert "edgeclip-export keygen" in str(bare.problem())
    assert bare.grounds() == []
    with pytest.raises(SetupError, match=r"\[teaching\].key_file"):
        bare.teach(ADA, Lesson((fresh_id(),), "gnu", ""))
