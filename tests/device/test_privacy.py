"""People before the camera: the tiny pack's red blob is a person here, or stands for one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclip.contract.preprocess import decode_image
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.config import DeviceSettings
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.notify import Notifier
from edgeclip_device.privacy import Privacy, mosaic
from edgeclip_device.sealing import open_sealed
from support.drawn_clips import RED, crossing, ground, with_blob, write_image
from support.pipelines import Rig, opened_rig
from support.sealing_keys import write_sealing_keys
from support.tiny_bundle import TinyPack, write_tiny_bundle

Make = Callable[..., DeviceSettings]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose pack calls the red blob a person."""
    pack = TinyPack(task="people", classes=(("person", "human"), ("blank", "blank")))
    return write_tiny_bundle(tmp_path_factory.mktemp("people") / "bundle", [pack])


@pytest.fixture
def rig(make_settings: Make, people: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs that have watched a person cross."""
    with ExitStack() as stack:

        def watched(**privacy: Any) -> Rig:
            settings = make_settings(inference={"bundle": people}, privacy=privacy)
            made = stack.enter_context(opened_rig(settings))
            made.feed(crossing(frames=220))
            return made

        yield watched


def test_by_default_nothing_of_a_person_is_kept(rig: Callable[..., Rig]) -> None:
    watched = rig()
    assert watched.rows() == []
    assert list(watched.outbox.media_folder.glob("*")) == []
    assert watched.pipeline.counts.people > 10


def test_count_only_tells_of_a_person_without_a_picture(rig: Callable[..., Rig]) -> None:
    new, *_ = rig(human_policy="count_only").rows()
    assert (new.class_name, new.observation_type, new.severity) == ("person", "human", "routine")
    assert new.media == []


def test_blur_sends_a_picture_in_which_nobody_can_be_told(rig: Callable[..., Rig]) -> None:
    watched = rig(human_policy="blur")
    (ref,) = watched.rows()[0].media
    assert ref.kind == "full"
    data = (watched.outbox.media_folder / f"{ref.sha256}.jpg").read_bytes()
    shown = decode_image(data)
    cell = shown[2:10, 2:10].astype(int)  # 13 px a cell
    assert np.ptp(cell.reshape(-1, 3), axis=0).max() <= 4


def test_a_mosaic_keeps_light_and_shade_and_nothing_smaller() -> None:
    image = with_blob(ground(size=(1080, 1920)), 900, 500)
    shown = mosaic(image)
    assert shown.shape == image.shape
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= 24 * 14
    assert abs(shown.mean() - image.mean()) < 2


def test_keep_encrypted_sends_none_and_keeps_one_that_the_key_opens(
    rig: Callable[..., Rig], tmp_path: Path
) -> None:
    private, public = write_sealing_keys(tmp_path / "keys")
    watched = rig(human_policy="keep_encrypted", public_key=public)
    new, *_ = watched.rows()
    assert new.media == []
    assert list(watched.outbox.media_folder.glob("*")) == []
    sealed = sorted((watched.settings.state / "withheld").glob("*.sealed"))
    assert sealed[0].name.startswith(new.detection_id)
    picture = open_sealed(sealed[0].read_bytes(), private)
    assert decode_image(picture).shape == (240, 320, 3)
    assert b"\xff\xd8" not in sealed[0].read_bytes()[:2]


def test_the_oldest_encrypted_pictures_make_room(make_settings: Make, tmp_path: Path) -> None:
    _, public = write_sealing_keys(tmp_path / "keys")
    settings = make_settings(
        privacy={"human_policy": "keep_encrypted", "public_key": public, "withheld_mb": 1}
    )
    privacy = Privacy(settings.privacy, settings.state)
    for n in range(5):
        privacy.keep_sealed(f"{n}-0", bytes(300_000))
    names = [path.name for path in sorted((settings.state / "withheld").iterdir())]
    assert names == ["2-0.sealed", "3-0.sealed", "4-0.sealed"]


def test_after_the_clock_went_back_the_oldest_still_make_room(
    make_settings: Make, tmp_path: Path
) -> None:
    _, public = write_sealing_keys(tmp_path / "keys")
    settings = make_settings(
        privacy={"human_policy": "keep_encrypted", "public_key": public, "withheld_mb": 1}
    )
    privacy = Privacy(settings.privacy, settings.state)
    for name in ("2026-a", "2026-b"):
        privacy.keep_sealed(name, bytes(300_000))
        in_a_year = time.time() + 31_536_000
        os.utime(settings.state / f"withheld/{name}.sealed", (in_a_year, in_a_year))
    for name in ("1970-c", "1970-d"):  # an id begins with the time
        privacy.keep_sealed(name, bytes(300_000))
    names = {path.name for path in (settings.state / "withheld").iterdir()}
    assert names == {"2026-b.sealed", "1970-c.sealed", "1970-d.sealed"}


def test_poaching_alerts_are_alerts_without_a_picture(rig: Callable[..., Rig]) -> None:
    new, *_ = rig(poaching_alerts=True).rows()
    assert (new.severity, new.class_name, new.media) == ("alert", "person", [])


def test_a_person_beside_an_animal_keeps_the_picture_from_leaving(
    make_settings: Make, tmp_path: Path
) -> None:
    both = TinyPack(classes=(("leopard", "animal"), ("person", "human")))
    bundle = write_tiny_bundle(tmp_path / "bundle", [both])
    settings = make_settings(inference={"bundle": bundle}, privacy={"human_from": 0.001})
    with opened_rig(settings) as watched:
        watched.feed(crossing()[:90])
        new, *_ = watched.rows()
    assert new.class_name == "leopard"
    assert new.media == []


@pytest.mark.parametrize("policy", ["drop", "count_only", "blur"])
def test_an_animal_s_pictures_are_not_touched(make_settings: Make, policy: str) -> None:
    with opened_rig(make_settings(privacy={"human_policy": policy})) as watched:
        watched.feed(crossing()[:60])
        assert [ref.kind for ref in watched.rows()[0].media] == ["full", "crop"]


def test_places_are_withheld_unless_it_is_said_otherwise(make_settings: Make) -> None:
    place = {"latitude": -1.29217, "longitude": 36.82194}
    with opened_rig(make_settings(location=place)) as watched:
        watched.feed(crossing()[:60])
        told = watched.rows()[0].location
    assert (told.mode, told.latitude, told.longitude) == ("withheld", None, None)


def test_a_class_s_place_is_told_on_its_grid(make_settings: Make) -> None:
    rule = {"leopard": {"mode": "generalised", "precision_deg": 0.1}}
    place = {"latitude": -1.29217, "longitude": 36.82194, "classes": rule}
    with opened_rig(make_settings(location=place)) as watched:
        watched.feed(crossing()[:60])
        row = watched.rows()[0]
    assert (row.location.latitude, row.location.longitude) == (-1.25, 36.85)
    assert row.location.precision_deg == 0.1
    assert b"29217" not in row.to_json()
    assert b"82194" not in row.to_json()


def test_no_topic_names_a_class_or_a_place(make_settings: Make) -> None:
    rule = {"leopard": {"mode": "exact"}}
    place = {"latitude": -1.29217, "longitude": 36.82194, "classes": rule}
    settings = make_settings(location=place)
    with opened_rig(settings) as watched:
        watched.feed(crossing()[:60])
        row = watched.rows()[0]
    topics = DeviceTopics(row.project, row.device_id)
    told = [topics.detection(row.severity), topics.media(row.detection_id, 0), topics.info]
    assert not [topic for topic in told if "leopard" in topic or "1.29" in topic]


def test_a_camera_s_gps_and_its_info_strip_leave_no_device(
    make_settings: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    for n in range(6):
        marked = np.full_like(ground(), RED)
        marked[-20:] = (255, 0, 255)  # as a strip that names the place
        path = write_image(folder / f"{n:03}.jpg", marked)
        path.write_bytes(_with_gps(path.read_bytes()))
    assert b"GPS-SECRET" in (folder / "000.jpg").read_bytes()
    settings = make_settings(
        camera={"source": str(folder), "strip_bottom_px": 20}, motion={"algorithm": "off"}
    )
    with opened_detector(settings, Notifier(), DetectOptions()) as detector:
        detector.run(threading.Event())
    pictures = [path.read_bytes() for path in (settings.state / "media").glob("*.jpg")]
    assert pictures
    for data in pictures:
        assert b"Exif" not in data
        assert b"GPS-SECRET" not in data
        shown = decode_image(data)
        magenta = (shown[..., 0] > 200) & (shown[..., 1] < 60) & (shown[..., 2] > 200)
        assert not magenta.any()


def _with_gps(jpeg: bytes) -> bytes:
    """Return a JPEG with an Exif segment after its first two bytes."""
    content = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00 GPS-SECRET -1.29217 36.82194"
    return jpeg[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + jpeg[2:]
