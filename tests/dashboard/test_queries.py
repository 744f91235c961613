from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.ledger import Gap, Ledger
from edgeclip_dashboard.messages import MediaMessage
from edgeclip_dashboard.queries import is_shown_media, read_detections, read_picture
from support.dashboards import jpeg, media_ref, sample
from support.samples import AT, EPOCH

if TYPE_CHECKING:
    from dashboard.conftest import Desk


def test_an_empty_store_gives_an_empty_picture(desk: Desk) -> None:
    picture = desk.picture()
    assert picture.detections == ()
    assert picture.devices == ()
    assert picture.counts.malformed == 0


def test_the_newest_come_first_and_only_so_many(desk: Desk) -> None:
    sent = [sample(seq=seq) for seq in (1, 2, 3)]
    for detection in sent:
        desk.commit(detection)
    picture = read_picture(desk.engine, Ledger(), newest=2)
    assert [view.detection_id for view in picture.detections] == [
        sent[2].detection_id,
        sent[1].detection_id,
    ]
    assert picture.counts.detections == 3


def test_the_whole_frame_is_shown_before_a_crop(desk: Desk) -> None:
    crop = media_ref(jpeg(1), n=0).model_copy(update={"kind": "crop"})
    full = media_ref(jpeg(2), n=1)
    detection = sample(media=[crop, full])
    files = [MediaMessage("jetson-1", detection.detection_id, n, jpeg(n + 1)) for n in (0, 1)]
    desk.commit(detection, *files)
    assert [media.kind for media in desk.only().media] == ["full", "crop"]


def test_a_later_snapshot_of_a_kind_is_the_better_one(desk: Desk) -> None:
    refs = [media_ref(jpeg(1), n=0), media_ref(jpeg(2), n=1)]
    first = sample(seq=1, media=refs[:1])
    later = first.model_copy(update={"rev": 1, "seq": 2, "media": refs})
    files = [MediaMessage("jetson-1", first.detection_id, n, jpeg(n + 1)) for n in (0, 1)]
    desk.commit(first, later, *files)
    assert [media.n for media in desk.only().media] == [1, 0]


def test_times_come_back_as_utc(desk: Desk) -> None:
    desk.commit(sample())
    view = desk.only()
    assert view.started_at == AT
    assert view.first_received_at.tzinfo is not None


def test_a_detection_without_a_best_time_occurred_when_it_began(desk: Desk) -> None:
    time = sample().time
    desk.commit(sample(time=time.model_copy(update={"best_at": None})))
    assert desk.only().occurred_at == time.started_at


def test_missing_rows_stand_with_their_device(desk: Desk) -> None:
    desk.commit(sample(seq=1), sample(seq=4))
    [device] = desk.picture().devices
    assert device.gaps == (Gap("jetson-1", EPOCH, 2, 3),)


def test_media_without_a_detection_are_not_shown(desk: Desk) -> None:
    data = jpeg()
    detection = sample(media=[media_ref(data)])
    desk.commit(MediaMessage("jetson-1", detection.detection_id, 0, data))
    with Session(desk.engine) as session:
        assert not is_shown_media(session, media_ref(data).sha256)
    desk.commit(detection)
    with Session(desk.engine) as session:
        assert is_shown_media(session, media_ref(data).sha256)


def test_a_filter_and_the_last_of_the_newer_page_cut_the_list(desk: Desk) -> None:
    names = ("leopard", "civet", "leopard", "leopard")
    sent = [sample(seq=seq, class_name=name) for seq, name in enumerate(names, 1)]
    for detection in sent:
        desk.commit(detection)
    leopards = DetectionFilter(class_names=("leopard",))
    with Session(desk.engine) as session:
        newest = read_detections(session, 1, leopards)
        older = read_detections(session, 9, leopards, before=newest[0].detection_id)
        unknown = read_detections(session, 9, leopards, before="none")
    assert [view.detection_id for view in newest] == [sent[3].detection_id]
    assert [view.detection_id for view in older] == [sent[2].detection_id, sent[0].detection_id]
    assert len(unknown) == 3
