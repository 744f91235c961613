from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeclip.contract.reports import Status
from edgeclip_device.config import DeviceSettings
from edgeclip_device.doctor.base import Finding, Patient
from edgeclip_device.doctor.broker import check_broker
from edgeclip_device.doctor.identity import check_identity, judge_certificate
from support.brokers import Broker, free_port, running_broker
from support.certificates import Authority
from support.receivers import receiving

Make = Callable[..., DeviceSettings]
ACL = """\
pattern write edgeclip/v1/+/nobody/up/#
"""


def _findings(settings: DeviceSettings) -> dict[str, Finding]:
    return {finding.check: finding for finding in check_broker(Patient(settings))}


@pytest.mark.broker
def test_a_broker_with_a_dashboard_is_fine(linked: DeviceSettings, broker: Broker) -> None:
    online = Status(state="online", since=None, bdseq=1).to_json()
    with receiving(broker) as receiver:
        receiver.publish("edgeclip/v1/demo/dashboard/status", online, retain=True)
        found = _findings(linked)
        states = list(receiver.states)
    assert {finding.verdict for finding in found.values()} == {"ok"}
    assert states == []  # no will, no farewell: the device's own status is not touched


@pytest.mark.broker
def test_where_nobody_listens_it_says_so(linked: DeviceSettings) -> None:
    found = _findings(linked)
    assert (found["dashboard"].verdict, found["broker"].verdict) == ("warn", "ok")
    assert "nobody listens" in found["dashboard"].found


@pytest.mark.broker
def test_an_acl_that_refuses_is_a_fault(make_settings: Make, tmp_path: Path) -> None:
    file = tmp_path / "acl"
    file.write_text(ACL)
    file.chmod(0o600)
    with running_broker(tmp_path / "broker", settings=(f"acl_file {file}",)) as broker:
        found = _findings(make_settings(mqtt={"url": broker.url}))
    assert found["acl"].verdict == "fail"
    assert "may not publish" in found["acl"].found


def test_a_broker_that_is_not_there_is_a_fault(make_settings: Make) -> None:
    settings = make_settings(mqtt={"url": f"mqtt://127.0.0.1:{free_port()}"})
    found = _findings(settings)
    assert (list(found), found["broker"].verdict) == (["broker"], "fail")
    assert "cannot connect" in found["broker"].found


def test_a_device_without_any_identity_is_doubtful(make_settings: Make) -> None:
    (found,) = check_identity(Patient(make_settings()))
    assert (found.verdict, "provision" in found.next_step) == ("warn", True)


def test_a_key_for_everybody_is_a_fault(make_settings: Make, tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("jetson-1")
    settings = make_settings(mqtt={"certificate_file": issued.certificate, "key_file": issued.key})
    issued.key.chmod(0o644)
    found = {finding.check: finding for finding in check_identity(Patient(settings))}
    assert (found["key"].verdict, found["certificate"].verdict) == ("fail", "warn")  # ends soon


@pytest.mark.parametrize(
    ("name", "days", "verdict", "words"),
    [
        ("jetson-1", 0.0, "warn", "soon"),
        ("other", 0.0, "fail", "device_id is jetson-1"),
        ("jetson-1", 3.0, "fail", "it has ended"),
        ("jetson-1", -3.0, "fail", "not valid before"),
    ],
)
def test_a_certificate_is_judged_by_name_and_dates(
    tmp_path: Path, name: str, days: float, verdict: str, words: str
) -> None:
    issued = Authority(tmp_path).issue(name)
    now = datetime.now(timezone.utc) + timedelta(days=days)
    found = judge_certificate(issued.certificate, issued.key, "jetson-1", now)
    assert found.verdict == verdict
    assert words in found.found


def test_a_certificate_of_another_key_is_a_fault(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, theirs = authority.issue("jetson-1"), authority.issue("jetson-2")
    now = datetime.now(timezone.utc)
    found = judge_certificate(ours.certificate, theirs.key, "jetson-1", now)
    assert (found.verdict, "is not of" in found.found) == ("fail", True)


def test_a_certificate_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    now = datetime.now(timezone.utc)
    assert judge_certificate(junk, junk, "jetson-1", now).verdict == "fail"
