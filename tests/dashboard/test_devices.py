from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from edgeclip.contract.reports import Info, Status
from edgeclip_dashboard.messages import InfoMessage, StatusMessage
from edgeclip_dashboard.queries import DeviceView
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk


def _tell(
    desk: Desk, state: str, bdseq: int, *, since: bool = True, minutes: int = 0
) -> DeviceView:
    document = {"state": state, "bdseq": bdseq, "since": AT if since else None}
    status = Status.model_validate(document)
    desk.store.commit([StatusMessage("jetson-1", status)], AT + timedelta(minutes=minutes))
    [device] = desk.picture().devices
    return device


def test_a_birth_is_stored(desk: Desk) -> None:
    device = _tell(desk, "online", 1)
    assert (device.state, device.since) == ("online", AT)


def test_a_will_takes_the_time_at_which_it_arrives(desk: Desk) -> None:
    _tell(desk, "online", 1)
    device = _tell(desk, "offline", 1, since=False, minutes=5)
    assert (device.state, device.since) == ("offline", AT + timedelta(minutes=5))


def test_a_will_that_is_told_again_keeps_its_time(desk: Desk) -> None:
    _tell(desk, "offline", 1, since=False, minutes=5)
    assert _tell(desk, "offline", 1, since=False, minutes=9).since == AT + timedelta(minutes=5)


def test_the_will_of_a_connection_that_was_replaced_is_no_news(desk: Desk) -> None:
    _tell(desk, "online", 2)
    assert _tell(desk, "offline", 1, since=False).state == "online"


def test_a_device_whose_counter_started_anew_is_believed(desk: Desk) -> None:
    _tell(desk, "online", 50)
    _tell(desk, "online", 0)
    assert _tell(desk, "offline", 0, since=False).state == "offline"


def test_a_device_that_was_set_up_anew_is_online_also_with_the_number_of_its_last_end(
    desk: Desk,
) -> None:
    _tell(desk, "stopped", 1)
    later = Status.model_validate(
        {"state": "online", "bdseq": 1, "since": AT + timedelta(minutes=5)}
    )
    desk.store.commit([StatusMessage("jetson-1", later)], AT + timedelta(minutes=5))
    [device] = desk.picture().devices
    assert (device.state, device.since) == ("online", AT + timedelta(minutes=5))


def test_a_beginning_that_is_heard_after_its_end_is_no_news(desk: Desk) -> None:
    _tell(desk, "offline", 1, since=False, minutes=5)
    assert _tell(desk, "online", 1).state == "offline"


def test_what_runs_on_a_device_is_stored_without_touching_its_state(desk: Desk) -> None:
    _tell(desk, "online", 1)
    info = Info(
        device_id="jetson-1",
        project="demo",
        deployment_id="ridge",
        camera_id="north",
        edgeclip_version="0.1.0",
        pack="leopard@1.0.0",
        backend="onnxruntime",
        precision="fp32",
        source="/dev/video0",
        machine="aarch64",
        started_at=AT,
    )
    desk.store.commit([InfoMessage(info)], AT)
    [device] = desk.picture().devices
    assert (device.state, device.pack, device.camera_id) == ("online", "leopard@1.0.0", "north")
