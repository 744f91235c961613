"""The broker: reached, MQTT 5, login, ACL, and whether a dashboard listens."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edgeclip.contract.topics import DeviceTopics, dashboard_status
from edgeclip.errors import EdgeclipError
from edgeclip_device import events as ev
from edgeclip_device.credentials import broker_credentials
from edgeclip_device.doctor.base import Finding, Patient
from edgeclip_device.mqtt import EventQueue, Link, LinkConfig, Will

_CONNECT_S = 20.0
_ANSWER_S = 5.0
_REFUSED = 0x80
_NOBODY_LISTENS = 0x10


@dataclass
class _Heard:
    """What the broker said."""

    connected: bool = False
    failure: str = ""
    answer: tuple[int, str] | None = None
    refusals: list[str] = field(default_factory=list)
    dashboard: bytes | None = None


def check_broker(patient: Patient) -> Iterable[Finding]:
    """Connect under a client id of its own, publish one empty message, and subscribe.

    The running uplink keeps its connection; the doctor's MQTT session ends with it.
    """
    mqtt = patient.settings.mqtt
    if mqtt.url is None:
        yield Finding("broker", "fail", "none is named", "name it as [mqtt].url")
        return
    if not patient.may_connect:
        yield Finding("broker", "absent", "not asked: --no-broker")
        return
    try:
        heard = _talk(patient)
    except EdgeclipError as error:
        yield Finding("broker", "fail", str(error), "mend [mqtt] in device.toml")
        return
    if not heard.connected:
        step = "is the address right, the port open, the clock right, the certificate signed?"
        yield Finding("broker", "fail", f"{mqtt.url}: {heard.failure or 'no answer'}", step)
        return
    if mqtt.protocol == "5":
        yield Finding("broker", "ok", f"{mqtt.url}, MQTT 5")
    else:
        step = 'use a broker with MQTT 5, and protocol = "5"'
        yield Finding("broker", "warn", f"{mqtt.url}, MQTT 3.1.1: refusals are not seen", step)
    yield _acl(patient, heard)
    yield _dashboard(patient, heard)


def _talk(patient: Patient) -> _Heard:
    settings, heard = patient.settings, _Heard()
    topics = DeviceTopics(settings.project, settings.device_id)
    mqtt = settings.mqtt.model_copy(update={"session_expiry_s": 0})
    events: EventQueue = queue.SimpleQueue()
    config = LinkConfig(mqtt, broker_credentials(), f"{settings.device_id}-doctor")
    link = Link(config, 0, events)
    probe = f"{topics.prefix}/up/doctor"
    link.connect(Will(probe, b""))
    try:
        _listen(events, heard, lambda: heard.connected or bool(heard.failure), _CONNECT_S)
        if heard.connected:
            link.subscribe(topics.receipt, dashboard_status(settings.project))
            link.publish(probe, b"")
            _listen(events, heard, lambda: heard.answer is not None, _ANSWER_S)
            _listen(events, heard, lambda: heard.dashboard is not None, 1.0)
    finally:
        link.close()
    return heard


def _listen(
    events: EventQueue, heard: _Heard, is_done: Callable[[], bool], patience_s: float
) -> None:
    deadline = time.monotonic() + patience_s
    while not is_done() and time.monotonic() < deadline:
        try:
            event = events.get(timeout=0.1)
        except queue.Empty:
            continue
        if isinstance(event, ev.FromLink):
            _hear(event.event, heard)


def _hear(event: ev.LinkEvent, heard: _Heard) -> None:
    if isinstance(event, ev.Connected):
        heard.connected = True
    elif isinstance(event, ev.Disconnected):
        heard.failure = event.reason
    elif isinstance(event, ev.Answered):
        heard.answer = event.code, event.reason
    elif isinstance(event, ev.SubscriptionRefused):
        heard.refusals.append(event.reason)
    elif isinstance(event, ev.Arrived):
        heard.dashboard = event.payload


def _acl(patient: Patient, heard: _Heard) -> Finding:
    prefix = DeviceTopics(patient.settings.project, patient.settings.device_id).prefix
    step = "docs/detections-and-topics.md has an ACL that works"
    if heard.answer is None:
        found = "no answer to a message" + (f" ({heard.failure})" if heard.failure else "")
        return Finding("acl", "fail", found, step)
    code, reason = heard.answer
    if code >= _REFUSED:
        return Finding("acl", "fail", f"may not publish below {prefix}/up: {reason}", step)
    if heard.refusals:
        return Finding("acl", "fail", f"may not read {prefix}/down: {heard.refusals[0]}", step)
    return Finding("acl", "ok", "may publish and read its topics")


def _dashboard(patient: Patient, heard: _Heard) -> Finding:
    step = f"start a dashboard of project {patient.settings.project}, on this broker"
    if heard.dashboard is not None and b'"online"' in heard.dashboard:
        return Finding("dashboard", "ok", "online")
    if heard.answer is not None and heard.answer[0] == _NOBODY_LISTENS:
        return Finding("dashboard", "warn", "nobody listens to this device", step)
    return Finding("dashboard", "warn", "has not said that it is online", step)
